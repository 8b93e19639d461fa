"""How many sequences of which request are queued or running, and whether one more request may come (hop 4)."""

from __future__ import annotations

from jan_ort.engine.engine_errors import QueueFull


class Admission:
    """Counts against ``max_queued``, of which one request takes half at most, however many sequences it has.

    So no single request, be it ever so large, keeps the next one out. Not thread-safe.
    """

    def __init__(self, max_queued: int) -> None:
        self._max_queued = max_queued
        self._largest_share = max(1, max_queued // 2)
        self._left: dict[str, int] = {}  # sequences by request
        self._num_counted = 0
        self.num_queued = 0

    def admit(self, request_id: str, num_sequences: int) -> None:
        """Count a new request. Raises: QueueFull."""
        share = min(num_sequences, self._largest_share)
        if self._num_counted and self._num_counted + share > self._max_queued:
            raise QueueFull(self.num_queued, self._max_queued)
        self._left[request_id] = num_sequences
        self._num_counted += share
        self.num_queued += num_sequences

    def end(self, request_id: str) -> None:
        """Note that one sequence of the request has ended."""
        left = self._left.pop(request_id) - 1
        if left:
            self._left[request_id] = left
        self.num_queued -= 1
        if left < self._largest_share:
            self._num_counted -= 1

    def clear(self) -> None:
        """Note that everything has ended."""
        self._left.clear()
        self._num_counted = self.num_queued = 0
