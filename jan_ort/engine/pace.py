"""How long prompt tokens take, by what steps have taken: so a step is bounded in time, not in tokens alone (hop 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence

ASSUMED_S = 0.002
"""What a prompt token is taken to take before a step was timed: a small model's, on two cores."""

MIN_TIMED = 8
"""Fewer prompt tokens tell little of more: most of what they take does not grow with their number."""

UNNOTICED_S = 0.04
"""Between two tokens nobody notices this: shorter steps of a prompt would only take it longer."""


class Pace:
    """The seconds that a prompt token takes at its position, where ``longest_s`` is what a step should take at most.

    Beside streams that run, a prompt's step should take no more than ``steps_beside`` of theirs, or ``UNNOTICED_S``: so
    they slow down by the same factor, on machines and models of any speed.

    Attention reads all that came before, so a token takes the longer the further its prompt is: there is one figure for
    each doubling of the position, that of the last step there.
    """

    def __init__(self, longest_s: float, steps_beside: float = math.inf) -> None:
        self._longest_s = longest_s
        self._steps_beside = steps_beside
        self._decode_s = math.inf  # what the last step took in which streams ran alone
        self._token_s: dict[int, float] = {}  # by stretch

    def num_tokens(self, position: int, *, beside_decode: bool = False) -> float:
        """Return how many prompt tokens from this position on take the longest time."""
        beside_s = max(UNNOTICED_S, self._steps_beside * self._decode_s) if beside_decode else math.inf
        return min(self._longest_s, beside_s) / self._cost(position)

    def note_decode(self, taken_s: float) -> None:
        """Note how long a step took that computed no prompt's tokens."""
        self._decode_s = taken_s

    def note(self, parts: Sequence[tuple[int, int]], taken_s: float) -> None:
        """Note how long a step took that computed prompt tokens: the position and number of each row's."""
        if sum(num for _, num in parts) >= MIN_TIMED:
            factor = taken_s / sum(num * self._cost(position) for position, num in parts)
            self._token_s |= {_stretch(position): factor * self._cost(position) for position, _ in parts}

    def _cost(self, position: int) -> float:
        """Return the figure of this stretch, or of the nearest one before it that has been timed."""
        before = [stretch for stretch in self._token_s if stretch <= _stretch(position)]
        return self._token_s[max(before)] if before else ASSUMED_S


def _stretch(position: int) -> int:
    """Return the number of a stretch of positions: the first 256, and then each twice as long as all before."""
    return (position // 256).bit_length()
