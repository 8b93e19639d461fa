"""What a step may hold, of a backend's kind and in numbers (hop 5)."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from jan_ort_backends import Capability, SessionInfo


@dataclass(frozen=True, slots=True)
class Batching:
    """What a step may hold.

    ``chunk_alone`` and ``chunk_beside_decode`` bound the prompt tokens of a step (padded ones included) while nobody
    decodes, and while somebody does; ``chunk_with_logits`` bounds a chunk whose every position's logits are wanted.
    Within these bounds a chunk is to take ``longest_s`` at most, and beside decode ``steps_beside`` times what a step
    of that takes, but is never cut below ``smallest_alone``, or ``smallest_beside`` while others wait.

    ``num_checkpoints`` None: what a slot holds can be cut anywhere; else at so many places where a row was kept. That
    is done near the end of a prompt of which ``smallest_kept`` tokens are to be computed, for it takes one more step.

    ``can_save``: a running sequence may be set aside, while all that are take less than ``max_aside_bytes``.
    """

    mixed: bool = False
    can_fork: bool = True
    num_checkpoints: int | None = None
    chunk_alone: int = 512
    chunk_beside_decode: int = 64
    chunk_with_logits: int = 32
    smallest_alone: int = 64
    smallest_beside: int = 8
    steps_beside: float = 1.35
    smallest_kept: int = 64
    longest_s: float = math.inf
    can_save: bool = False
    max_aside_bytes: float = math.inf

    @property
    def sets_aside(self) -> bool:
        """Whether a running sequence may be set aside at all."""
        return self.can_save and self.max_aside_bytes > 0

    @classmethod
    def of(
        cls, info: SessionInfo, capabilities: Collection[Capability], *, longest_s: float, max_aside_bytes: float
    ) -> Batching:
        """Return what a session takes whose backend has these capabilities."""
        return cls(
            Capability.MIXED_BATCH in capabilities,
            Capability.FORK in capabilities,
            info.num_checkpoints,
            longest_s=longest_s,
            can_save=Capability.STATE in capabilities and info.state_key is not None,
            max_aside_bytes=max_aside_bytes,
        )
