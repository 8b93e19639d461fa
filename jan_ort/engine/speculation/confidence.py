"""How often a guessed token is taken, by how likely it seemed to who guessed it (hop 5)."""

from __future__ import annotations

_PACE = 0.05
"""The part of each judgement in a figure: about the last 20 count. The first ones count more."""

_NUM_CLASSES = 8
_FIRST_MEAN = 0.7


class Confidence:
    """The share of guesses that were taken: of all, and by the probability that each was guessed with."""

    def __init__(self) -> None:
        self.mean = _FIRST_MEAN
        self._chances = [(number + 0.5) / _NUM_CLASSES for number in range(_NUM_CLASSES)]
        self._paces = [0.5] * _NUM_CLASSES

    def chance(self, probability: float) -> float:
        """Return how often a token is taken that was guessed with such a probability."""
        return self._chances[_class(probability)]

    def note(self, probability: float, *, is_taken: bool) -> None:
        """Note what has become of a guess."""
        number = _class(probability)
        self._chances[number] += self._paces[number] * (is_taken - self._chances[number])
        self._paces[number] = max(_PACE, self._paces[number] / (1 + self._paces[number]))
        self.mean += _PACE * (is_taken - self.mean)


def _class(probability: float) -> int:
    return min(int(probability * _NUM_CLASSES), _NUM_CLASSES - 1)
