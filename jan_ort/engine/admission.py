"""How many sequences of which request are queued or running, and whether one more request may come (hop 4)."""

from __future__ import annotations

import threading
from collections import Counter

from jan_ort.engine.engine_errors import QueueFull


class Admission:
    """Counts against ``max_queued``, of which one request takes half at most, however many sequences it has.

    So no single request, be it ever so large, keeps the next one out. Each key of the API has a count of its own: who
    asks with another one is not kept out either. Thread-safe.
    """

    def __init__(self, max_queued: int) -> None:
        self._max_queued = max_queued
        self._largest_share = max(1, max_queued // 2)
        self._lock = threading.Lock()
        self._left: dict[str, tuple[str, int]] = {}  # key and sequences by request
        self._counted: Counter[str] = Counter()  # by key
        self.num_queued = 0

    def admit(self, request_id: str, num_sequences: int, owner: str = "") -> None:
        """Count a new request of the key that ``owner`` stands for. Raises: QueueFull."""
        share = min(num_sequences, self._largest_share)
        with self._lock:
            counted = self._counted[owner]
            if counted and counted + share > self._max_queued:
                raise QueueFull(sum(num for each, num in self._left.values() if each == owner), self._max_queued)
            self._left[request_id] = owner, num_sequences
            self._counted[owner] += share
            self.num_queued += num_sequences

    def end(self, request_id: str) -> None:
        """Note that one sequence of the request has ended."""
        with self._lock:
            owner, left = self._left.pop(request_id)
            left -= 1
            if left:
                self._left[request_id] = owner, left
            self.num_queued -= 1
            self._counted[owner] -= left < self._largest_share
            if not self._counted[owner]:
                del self._counted[owner]

    def clear(self) -> None:
        """Note that everything has ended."""
        with self._lock:
            self._left.clear()
            self._counted.clear()
            self.num_queued = 0
