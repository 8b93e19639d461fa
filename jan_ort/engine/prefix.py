"""A prefix of prompts that is kept outside of slots (hop 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.prefix_files import StoredPrefix
from jan_ort_backends import State

DOUBLED_AFTER = 4096
"""Where a prompt's token takes twice as long to compute as the first one: attention reads all before it."""


@dataclass(slots=True, eq=False)
class Prefix:
    """Tokens whose keys and values prefill has computed, for prompts of ``scope``: int64 ``(n,)``.

    ``state`` is what a slot held that had just these; None while it is on the disk alone. ``rank`` is its priority, and
    when it was used last: what has the least makes room.
    """

    scope: str
    tokens: NDArray[np.int64]
    state: State | None
    num_bytes: int
    rank: tuple[float, int] = (0.0, 0)
    stored: StoredPrefix | None = None

    @property
    def worth(self) -> float:
        """What computing it again would take, for each byte that it takes."""
        return len(self.tokens) * (1 + len(self.tokens) / (2 * DOUBLED_AFTER)) / max(1, self.num_bytes)
