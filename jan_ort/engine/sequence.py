"""One sequence of tokens on its way through the engine: its prompt, its slot, how far it is computed (hops 5, 6)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_ids = itertools.count()


@dataclass(slots=True, eq=False)
class Sequence:
    """A prompt and the tokens generated after it, as the scheduler sees them.

    ``prompt``: int64 ``(n,)``, n >= 1. ``num_computed`` counts the tokens whose keys and values are in the slot;
    ``num_cached`` the part of the prompt that was found there. ``index`` is the sequence's place in its request and
    ``last_token_id`` what was sampled last, the next decode step's input.
    ``wants_prompt_logits``: every position of the prompt is computed anew, for its logits.
    """

    prompt: NDArray[np.int64]
    request_id: str = ""
    index: int = 0
    id: int = field(default_factory=lambda: next(_ids))
    wants_prompt_logits: bool = False
    slot: int | None = None
    num_computed: int = 0
    num_cached: int = 0
    last_token_id: int = -1

    @property
    def num_prompt_tokens(self) -> int:
        """The length of the prompt."""
        return len(self.prompt)

    @property
    def is_prefilled(self) -> bool:
        """Whether the whole prompt is in the slot, so that the next row is one generated token."""
        return self.num_computed >= len(self.prompt)
