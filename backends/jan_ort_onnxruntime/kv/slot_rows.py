"""Which KV row each slot uses: sequences that run together want adjacent rows."""

from __future__ import annotations

from collections.abc import Sequence

TOKENS_PER_HOLE = 30
"""Tokens whose keys and values are swapped in the time that a step spends on one idle row (1 to 2 ms, 135M model)."""


class SlotRows:
    """A permutation of slots to KV rows."""

    def __init__(self, num_slots: int) -> None:
        self.rows = list(range(num_slots))
        self._holes = 0

    def place(self, slots: Sequence[int], lengths: Sequence[int]) -> None:
        """Give the empty ones of ``slots`` the lowest free rows, adjacent ones if there are as many."""
        starting = [slot for slot in slots if lengths[slot] == 0]
        owners = self._owners()
        free = [row for row, slot in enumerate(owners) if lengths[slot] == 0]
        for slot, row in zip(starting, _lowest(free, len(starting)), strict=True):
            other = self._owners()[row]
            self.rows[slot], self.rows[other] = row, self.rows[slot]

    def gather(self, slots: Sequence[int], lengths: Sequence[int]) -> list[tuple[int, int]]:
        """Return the pairs of rows whose contents are to be swapped so that ``slots``, which decode, lie together.

        That is once their steps have lost as much time on the idle rows between them as the swaps will take, so that
        changing company never costs more than twice the best. The permutation stays: see :meth:`exchange`.
        """
        active = {self.rows[slot] for slot in slots}
        self._holes += max(active) - min(active) + 1 - len(active)
        held = [lengths[slot] for slot in self._owners()]

        def moved_tokens(start: int) -> int:
            return sum(held[row] for row in active ^ set(range(start, start + len(active))))

        start = min(range(len(held) - len(active) + 1), key=moved_tokens)
        if self._holes * TOKENS_PER_HOLE <= moved_tokens(start):
            return []
        self._holes = 0
        window = set(range(start, start + len(active)))
        return list(zip(sorted(active - window), sorted(window - active), strict=True))

    def exchange(self, first: int, second: int) -> None:
        """Let the slots of two rows have each other's, once the contents have been swapped and never before."""
        owners = self._owners()
        self.rows[owners[first]], self.rows[owners[second]] = second, first

    def _owners(self) -> list[int]:
        """Return each row's slot."""
        owners = [0] * len(self.rows)
        for slot, row in enumerate(self.rows):
            owners[row] = slot
        return owners


def _lowest(free: Sequence[int], count: int) -> Sequence[int]:
    """Return the first ``count`` adjacent rows of the ascending ``free``; the first ones if none are."""
    for start in range(len(free) - count + 1):
        if count and free[start + count - 1] - free[start] == count - 1:
            return free[start : start + count]
    return free[:count]
