"""How long prompt tokens take, by what steps have taken: so a step is bounded in time, not in tokens alone (hop 5)."""

from __future__ import annotations

from collections.abc import Sequence

ASSUMED_S = 0.002
"""What a prompt token is taken to take before a step was timed: a small model's, on two cores."""

MIN_TIMED = 32
"""Fewer prompt tokens tell little of more: most of what they take does not grow with their number."""


class Pace:
    """The seconds that a prompt token takes at its position, where ``longest_s`` is what a step should take at most.

    Attention reads all that came before, so a token takes the longer the further its prompt is: there is one figure for
    each doubling of the position, that of the last step there.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._token_s: dict[int, float] = {}  # by stretch

    def num_tokens(self, position: int) -> float:
        """Return how many prompt tokens from this position on take the longest time."""
        return self._longest_s / self._cost(position)

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
