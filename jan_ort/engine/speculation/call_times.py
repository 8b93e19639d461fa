"""How long the session takes for so many rows and tokens, by how long it took (hop 5)."""

from __future__ import annotations

ASSUMED_SLOPE = 0.15
"""What a further token adds to a call, as a share of the call without any, until one was timed."""

_PACE = 1.1
"""A figure moves by so much with each call, whatever that took: so it is near their median, and no outlier counts."""


class CallTimes:
    """Seconds of calls, by their rows and tokens."""

    def __init__(self) -> None:
        self._taken_s: dict[tuple[int, int], float] = {}

    def note(self, num_rows: int, num_tokens: int, taken_s: float) -> None:
        """Note how long a call took."""
        known = self._taken_s.get((num_rows, num_tokens))
        if known is None and num_tokens > num_rows:
            known = self.of(num_rows, num_tokens)
        factor = 1.0 if known is None else _PACE if taken_s > known else 1 / _PACE
        self._taken_s[num_rows, num_tokens] = factor * (taken_s if known is None else known)

    def of(self, num_rows: int, num_tokens: int) -> float | None:
        """Return what such a call takes, at most; None if none of as many rows, of one token each, was timed."""
        known = self._taken_s.get((num_rows, num_tokens))
        if known is not None:
            return known
        plain = [taken_s for (rows, tokens), taken_s in self._taken_s.items() if rows == tokens >= num_rows]
        return min(plain) * (1 + ASSUMED_SLOPE * (num_tokens - num_rows)) if plain else None
