"""The sequences that wait for a slot, and whose turn it is: a request's many hold no other request up (hop 5)."""

from __future__ import annotations

from collections import Counter
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
    owner: str
    waiting: dict[int, TokenSequence] = field(default_factory=dict)  # by id, in the order in which they came
    aside: dict[int, TokenSequence] = field(default_factory=dict)  # those that had a slot, which go first
    num_running: int = 0
    num_added: int = 0


class Turns:
    """Waiting sequences, by request.

    A slot goes to the key with the fewest running sequences, of its requests to the one with the fewest, and among
    equals to the one that was given none for the longest time. Who has no slot when all are taken may have that of a
    request with several, or of a key with more (``giver``).

    ``keeps_last``, where no running sequence can be set aside: the last free slot is kept for a request that has none,
    where another one has more sequences than there are slots: it must take turns with itself anyway, and whoever comes
    next need not wait for one of them to end.
    """

    def __init__(self, num_slots: int, *, keeps_last: bool = True) -> None:
        self._num_slots = num_slots
        self._keeps_last = keeps_last
        self._parts: dict[str, _Part] = {}
        self._held: Counter[str] = Counter()  # running sequences by key
        self._owners: Counter[str] = Counter()  # requests by key
        self._num_several = 0  # requests with several running sequences
        self._clock = 0
        self._num_waiting = 0

    def __len__(self) -> int:
        return self._num_waiting

    @property
    def aside(self) -> list[TokenSequence]:
        """Those that wait for a slot again."""
        return [sequence for part in self._parts.values() for sequence in part.aside.values()]

    def add(self, sequence: TokenSequence) -> None:
        """Queue a sequence."""
        part = self._parts.get(sequence.request_id)
        if part is None:
            part = self._parts[sequence.request_id] = _Part(self._tick(), sequence.owner)
            self._owners[part.owner] += 1
        part.waiting[sequence.id] = sequence
        part.num_added += 1
        self._num_waiting += 1

    def in_turn(self, num_free: int) -> Iterator[TokenSequence]:
        """Yield waiting sequences while ``num_free`` slots last; whoever gives one of them a slot calls ``take``."""
        heap = [
            (*self._rank(part), part, _waiting(part)) for part in self._parts.values() if part.waiting or part.aside
        ]
        heapify(heap)  # no two turns are equal
        while heap and num_free:
            held, num_running, turn, part, waiting = heappop(heap)
            if held != self._held[part.owner]:  # another request of the key was given one
                heappush(heap, (*self._rank(part), part, waiting))
                continue
            if self._keeps_last and num_free == 1 and num_running and part.num_added > self._num_slots:
                continue
            for sequence in waiting:
                yield sequence
                if part.turn != turn:  # it was taken
                    num_free -= 1
                    heappush(heap, (*self._rank(part), part, waiting))
                    break

    def _rank(self, part: _Part) -> tuple[int, int, int]:
        return self._held[part.owner], part.num_running, part.turn

    def take(self, sequence: TokenSequence) -> None:
        """Note that the sequence has a slot."""
        part = self._parts[sequence.request_id]
        if part.aside.pop(sequence.id, None) is None:
            del part.waiting[sequence.id]
        part.turn = self._tick()
        part.num_running += 1
        self._num_several += part.num_running == 2
        self._held[part.owner] += 1
        self._num_waiting -= 1

    def put_back(self, sequence: TokenSequence) -> None:
        """Note that the sequence has no slot any more, and waits for one before others of its request."""
        part = self._parts[sequence.request_id]
        part.aside[sequence.id] = sequence
        self._num_waiting += 1
        self._free(part)

    def end(self, sequence: TokenSequence) -> None:
        """Note that the sequence has ended, and has no slot any more."""
        part = self._parts[sequence.request_id]
        self._free(part)
        self._forget_if_over(sequence.request_id, part)

    def drop(self, request_id: str) -> list[TokenSequence]:
        """Take what waits of a request out of the queue and return it."""
        part = self._parts.get(request_id)
        if part is None:
            return []
        dropped = [*part.aside.values(), *part.waiting.values()]
        part.aside.clear()
        part.waiting.clear()
        self._num_waiting -= len(dropped)
        self._forget_if_over(request_id, part)
        return dropped

    @property
    def may_give(self) -> bool:
        """Whether anybody may have a slot too many; quick."""
        return self._num_several > 0 or len(self._owners) > 1

    def giver(self, newcomer: TokenSequence) -> str | None:
        """Return the request that is to give up a slot for a waiting one that has none; None if nobody has too many.

        That is the one with the most of the key with the most, if that has two more than the newcomer's key; else one
        of the newcomer's own key that has several.
        """
        own = self._parts[newcomer.request_id].owner
        richest = max(self._held, key=self._held.__getitem__, default=own)
        takes_from_other = self._held[richest] >= self._held[own] + 2 and richest != own
        owner, least = (richest, 1) if takes_from_other else (own, 2)
        of_owner = {request_id: part.num_running for request_id, part in self._parts.items() if part.owner == owner}
        request_id = max(of_owner, key=of_owner.__getitem__)
        return request_id if of_owner[request_id] >= least else None

    def num_running(self, sequence: TokenSequence) -> int:
        """Return how many sequences of this one's request have a slot."""
        return self._parts[sequence.request_id].num_running

    def _free(self, part: _Part) -> None:
        self._num_several -= part.num_running == 2
        part.num_running -= 1
        self._held[part.owner] -= 1
        if not self._held[part.owner]:
            del self._held[part.owner]

    def _forget_if_over(self, request_id: str, part: _Part) -> None:
        if not part.num_running and not part.waiting and not part.aside:
            del self._parts[request_id]
            self._owners[part.owner] -= 1
            if not self._owners[part.owner]:
                del self._owners[part.owner]

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def _waiting(part: _Part) -> Iterator[TokenSequence]:
    yield from [*part.aside.values(), *islice(part.waiting.values(), MAX_LOOKED_AT)]
