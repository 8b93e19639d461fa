"""The KV slots: who holds each, which tokens it caches, and which one a new prompt should take (hop 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.embedded import uncut
from jan_ort.engine.prefix import Prefix
from jan_ort.engine.sequence import Saved

_EMPTY = np.empty(0, dtype=np.int64)

MIN_KEPT = 32
"""Tokens of a prefix that is worth keeping outside of slots."""

MIN_CHUNK = 2
"""A prefill chunk of one token takes another kernel on CPUs, and its logits differ in the last bits."""


def common_prefix_length(left: NDArray[np.int64], right: NDArray[np.int64]) -> int:
    """Return the number of leading tokens that two token arrays (int64, 1-D) share."""
    num = min(len(left), len(right))
    differs = left[:num] != right[:num]
    first = int(differs.argmax()) if num else 0
    return first if num and differs[first] else num


def reusable_length(prompt: NDArray[np.int64], cached: NDArray[np.int64]) -> int:
    """Return how much of ``prompt`` may come from ``cached``: the shared prefix, less a last chunk to compute."""
    return uncut(prompt, max(0, min(common_prefix_length(prompt, cached), len(prompt) - MIN_CHUNK)))


@dataclass(slots=True, eq=False)
class Slot:
    """One row of the KV cache.

    ``cached`` are the tokens whose keys and values were computed by prefill, and so are bit for bit what a prefill
    of the same tokens would compute; generated tokens are not among them. They are for prompts of ``scope`` only.
    ``kept`` are the lengths of its checkpoints, ascending, where the session can be cut at these only.
    """

    index: int
    cached: NDArray[np.int64] = field(default_factory=lambda: _EMPTY)
    scope: str = ""
    kept: tuple[int, ...] = ()
    owner: int | None = None
    last_used: int = 0


class Evicted(NamedTuple):
    """Tokens that a slot caches, int64 ``(n,)``, and whose prompts they are for."""

    tokens: NDArray[np.int64]
    scope: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a prompt goes: keep ``length`` tokens of ``slot``, copied from slot ``source`` first if that differs.

    With ``saved``, or with a ``prefix`` of the pool, they are the first of that, which the slot is to hold. ``evicted``
    is what it holds now and is to be kept in the pool first.
    """

    slot: int
    source: int
    length: int
    saved: Saved | None = None
    prefix: Prefix | None = None
    evicted: Evicted | None = None


class SlotTable:
    """All slots of a session, with the longest-prefix rule and the least-recently-used rule.

    ``num_checkpoints``: how many of a slot's checkpoints the session keeps, None if it can be cut anywhere.
    """

    def __init__(self, num_slots: int, *, can_fork: bool, num_checkpoints: int | None = None) -> None:
        self.slots = [Slot(index) for index in range(num_slots)]
        self._can_fork = can_fork
        self._num_checkpoints = num_checkpoints
        self._clock = 0
        self.num_changes = 0
        """How often a slot has got other tokens than more of the prompt that fills it."""

    @property
    def num_free(self) -> int:
        """The number of slots that no sequence holds."""
        return sum(slot.owner is None for slot in self.slots)

    def reusable_of(self, slot: Slot, prompt: NDArray[np.int64], scope: str = "") -> int:
        """Return how much of a prompt of this scope may come from ``slot``."""
        return 0 if slot.scope != scope else self._cut(slot, reusable_length(prompt, slot.cached))

    def filled(self, index: int | None, length: int) -> int:
        """Return how much of ``length`` tokens the slot of a sequence caches by now, 0 for a sequence without one."""
        if index is None:
            return 0
        return self._cut(self.slots[index], min(length, self.num_cached(index)))

    def _cut(self, slot: Slot, length: int) -> int:
        """Return the longest of up to ``length`` tokens that the slot can be cut to."""
        if self._num_checkpoints is None:
            return length
        return max((each for each in slot.kept if each <= length), default=0)

    def place(self, prompt: NDArray[np.int64], *, reuse: bool = True, scope: str = "") -> Placement | None:
        """Choose the slot for a prompt of this scope, or None when every slot is held.

        The longest cached prefix of any slot wins. A free slot is continued in place when the prompt goes on from
        all that it caches; otherwise its prefix is copied, so that what it caches beyond stays useful.
        """
        free = [slot for slot in self.slots if slot.owner is None]
        if not free:
            return None
        lengths = {slot.index: self.reusable_of(slot, prompt, scope) if reuse else 0 for slot in self.slots}
        donors = self.slots if self._can_fork else free
        donor = max(donors, key=lambda slot: (lengths[slot.index], slot.owner is None, slot.last_used))
        length = lengths[donor.index]
        victim = _least_wanted(free)
        if length == 0:
            return Placement(victim.index, victim.index, 0)
        continues = donor.owner is None and length >= len(donor.cached) - MIN_CHUNK
        if continues or not self._can_fork:
            return Placement(donor.index, donor.index, length)
        return Placement(victim.index, donor.index, length)

    def place_loaded(self, length: int, *, saved: Saved | None = None, prefix: Prefix | None = None) -> Placement:
        """Choose the slot for so many tokens of what is loaded; one is free."""
        index = _least_wanted([slot for slot in self.slots if slot.owner is None]).index
        return Placement(index, index, length, saved, prefix)

    def evicted(self, placement: Placement) -> Evicted | None:
        """Return what the placement's slot caches, as far as it can be cut there, if much of it is to be lost."""
        slot = self.slots[placement.slot]
        length = self._cut(slot, len(slot.cached))
        stays = placement.source == placement.slot and placement.saved is None and placement.prefix is None
        lost = length - placement.length if stays else length
        return Evicted(slot.cached[:length], slot.scope) if lost >= MIN_KEPT else None

    def hold(self, placement: Placement, owner: int, scope: str = "") -> None:
        """Give the placement's slot to sequence ``owner``, keeping only the reused prefix."""
        source, slot = self.slots[placement.source], self.slots[placement.slot]
        cached, kept = source.cached, source.kept
        if placement.saved is not None:
            cached, kept = placement.saved.cached, ()
        elif placement.prefix is not None:
            cached, kept = placement.prefix.tokens, ()
        slot.owner, slot.scope, slot.cached = owner, scope, cached[: placement.length]
        slot.kept = tuple(each for each in kept if each <= placement.length)
        self.num_changes += 1
        self.touch(placement.source)
        self.touch(placement.slot)

    def extend(self, index: int, cached: NDArray[np.int64]) -> None:
        """Note that prefill has now computed exactly the tokens ``cached`` in slot ``index``; a checkpoint, if any."""
        slot = self.slots[index]
        slot.cached = cached
        if self._num_checkpoints:
            slot.kept = (*slot.kept, len(cached))[-self._num_checkpoints :]

    def forget(self, index: int) -> None:
        """Note that what the slot holds is in doubt."""
        self.slots[index].cached, self.slots[index].kept = _EMPTY, ()
        self.num_changes += 1

    def num_cached(self, index: int | None) -> int:
        """Return how many tokens the slot of a sequence caches, 0 for a sequence without one."""
        return 0 if index is None else len(self.slots[index].cached)

    def release(self, index: int) -> None:
        """Take the slot from its owner; what prefill computed stays for the next prompt that begins the same."""
        self.slots[index].owner = None
        self.touch(index)

    def clear(self) -> None:
        """Forget everything that is cached and who holds it, after the session was reopened."""
        for slot in self.slots:
            slot.cached, slot.kept, slot.owner = _EMPTY, (), None
        self.num_changes += 1

    def touch(self, index: int) -> None:
        """Mark the slot as used just now."""
        self._clock += 1
        self.slots[index].last_used = self._clock


def _least_wanted(free: Sequence[Slot]) -> Slot:
    """Return an empty slot, or the one that was not used for the longest time."""
    return min(free, key=lambda slot: (len(slot.cached) > 0, slot.last_used))
