"""What a step may hold, of a backend's kind and in numbers (hop 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batching:
    """What a step may hold.

    ``chunk_alone`` and ``chunk_beside_decode`` bound the prompt tokens of a step (padded ones included) while nobody
    decodes, and while somebody does; ``chunk_with_logits`` bounds a chunk whose every position's logits are wanted.
    Within these bounds a chunk is to take ``longest_s`` at most, but is never cut below ``smallest_alone``, or
    ``smallest_beside`` while others wait: there a prompt would take half as long again.

    ``num_checkpoints`` None: what a slot holds can be cut anywhere; else at so many places where a row was kept. That
    is done near the end of a prompt of which ``smallest_kept`` tokens are to be computed, for it takes one more step.
    """

    mixed: bool = False
    can_fork: bool = True
    num_checkpoints: int | None = None
    chunk_alone: int = 512
    chunk_beside_decode: int = 64
    chunk_with_logits: int = 32
    smallest_alone: int = 64
    smallest_beside: int = 32
    smallest_kept: int = 64
    longest_s: float = math.inf
