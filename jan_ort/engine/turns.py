"""The sequences that wait for a slot, and whose turn it is: a request's many hold no other request up (hop 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import islice

from jan_ort.engine.sequence import TokenSequence

MAX_LOOKED_AT = 64
"""How many sequences of a request one step looks at: to compare each of 2,048 prompts with all slots took 60 ms."""


@dataclass(slots=True, eq=False)
class _Part:
    """What one request has of the queue and the slots; ``turn`` is smaller the longer it has not been given a slot."""

    turn: int
    waiting: dict[int, TokenSequence] = field(default_factory=dict)  # by id, in the order in which they came
    num_running: int = 0
    num_added: int = 0


class Turns:
    """Waiting sequences, by request.

    A slot goes to the request with the fewest running sequences, and among equals to the one that was given none for
    the longest time. The last free slot is kept for a request that has none, where another one has more sequences than
    there are slots: it must take turns with itself anyway, and whoever comes next need not wait for one of them to end.
    """

    def __init__(self, num_slots: int) -> None:
        self._num_slots = num_slots
        self._parts: dict[str, _Part] = {}
        self._clock = 0
        self._num_waiting = 0

    def __len__(self) -> int:
        return self._num_waiting

    def add(self, sequence: TokenSequence) -> None:
        """Queue a sequence."""
        part = self._parts.get(sequence.request_id)
        if part is None:
            part = self._parts[sequence.request_id] = _Part(self._tick())
        part.waiting[sequence.id] = sequence
        part.num_added += 1
        self._num_waiting += 1

    def in_turn(self, num_free: int) -> Iterator[TokenSequence]:
        """Yield waiting sequences while ``num_free`` slots last; whoever gives one of them a slot calls ``take``."""
        heap = [(part.num_running, part.turn, part, _waiting(part)) for part in self._parts.values() if part.waiting]
        heapify(heap)  # no two turns are equal
        while heap and num_free:
            num_running, turn, part, waiting = heappop(heap)
            if num_free == 1 and num_running and part.num_added > self._num_slots:
                continue
            for sequence in waiting:
                yield sequence
                if part.turn != turn:  # it was taken
                    num_free -= 1
                    heappush(heap, (part.num_running, part.turn, part, waiting))
                    break

    def take(self, sequence: TokenSequence) -> None:
        """Note that the sequence has a slot."""
        part = self._parts[sequence.request_id]
        del part.waiting[sequence.id]
        part.turn = self._tick()
        part.num_running += 1
        self._num_waiting -= 1

    def end(self, sequence: TokenSequence) -> None:
        """Note that the sequence has no slot any more."""
        part = self._parts[sequence.request_id]
        part.num_running -= 1
        if not part.num_running and not part.waiting:
            del self._parts[sequence.request_id]

    def drop(self, request_id: str) -> list[TokenSequence]:
        """Take what waits of a request out of the queue and return it."""
        part = self._parts.get(request_id)
        if part is None:
            return []
        dropped = list(part.waiting.values())
        part.waiting.clear()
        self._num_waiting -= len(dropped)
        if not part.num_running:
            del self._parts[request_id]
        return dropped

    def num_running(self, sequence: TokenSequence) -> int:
        """Return how many sequences of this one's request have a slot."""
        return self._parts[sequence.request_id].num_running

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def _waiting(part: _Part) -> Iterator[TokenSequence]:
    yield from list(islice(part.waiting.values(), MAX_LOOKED_AT))
