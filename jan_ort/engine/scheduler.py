"""Which rows the next step computes: a pure function of what was added, aborted and finished (hop 5).

A backend that cannot mix rows freely (``Batching.mixed`` is False, the CPU's attention kernel) gets one of three kinds
of step: one prefill chunk of one sequence, the first prompts of several sequences, or one token of every sequence that
decodes. The scheduler then alternates, so that a long prompt delays running streams by one chunk at a time, and
running streams delay a prompt by one decode step at a time.

What a slot holds of a model with a state can be used again from checkpoints only (``Batching.num_checkpoints``): where
a prompt's chunks end, of which the last but one then ends just before the prompt's end.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.batch import Batch, Row
from jan_ort.engine.batching import Batching
from jan_ort.engine.chunks import Chunks
from jan_ort.engine.pace import Pace
from jan_ort.engine.prefix_pool import PrefixPool
from jan_ort.engine.sequence import Saved, TokenSequence
from jan_ort.engine.slots import MIN_CHUNK, Placement, SlotTable, reusable_length
from jan_ort.engine.turns import Turns
from jan_ort_backends import State

MIN_SHARED_GAIN = 16
"""Tokens that must be saved before a prompt waits for another one's prefill to pass their common prefix."""


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What a waiting prompt shares with each running prefill, and at most with the pool or a slot that none fills."""

    prompt: NDArray[np.int64]
    shared: tuple[tuple[TokenSequence, int], ...]
    kept: int


class Scheduler:
    """Requests take turns over the slots of one session; in these, short prompts overtake long ones."""

    def __init__(self, num_slots: int, batching: Batching | None = None, pool: PrefixPool | None = None) -> None:
        self.batching = batching or Batching()
        self.pool = pool or PrefixPool(0)
        self.pool.num_taken_bytes = self.num_aside_bytes
        num_checkpoints = self.batching.num_checkpoints
        self.slots = SlotTable(num_slots, can_fork=self.batching.can_fork, num_checkpoints=num_checkpoints)
        self.pace = Pace(self.batching.longest_s, self.batching.steps_beside)
        self.waiting = Turns(num_slots, keeps_last=not self.batching.sets_aside)
        self._chunks = Chunks(self.batching, self.slots, self.waiting, self.pace)
        self.running: list[TokenSequence] = []
        self._prefilled_last = False
        self._outlooks: dict[tuple[int, str], _Outlook] = {}  # by prompt; each step asks for all, perhaps thousands
        self._outlooks_of: object = None  # the prefills and the slots that they were compared with

    def add(self, sequence: TokenSequence) -> None:
        """Queue a sequence."""
        self.waiting.add(sequence)

    def abort(self, request_id: str) -> list[TokenSequence]:
        """Drop all sequences of a request, in any state, free their slots and return them."""
        running = [s for s in self.running if s.request_id == request_id]
        for sequence in running:
            self.finish(sequence)
        return self.waiting.drop(request_id) + running

    def finish(self, sequence: TokenSequence) -> None:
        """Take a running sequence off its slot."""
        assert sequence.slot is not None, "only a running sequence can finish"
        self.running.remove(sequence)
        self.waiting.end(sequence)
        self.slots.release(sequence.slot)
        sequence.slot = None

    def to_set_aside(self) -> TokenSequence | None:
        """Return the running sequence that is to give its slot to a request that has none, if one is to.

        Whoever has saved what its slot holds calls ``set_aside``. Of a request the last one that decodes is chosen.
        """
        if not self.batching.sets_aside or not self.waiting or not self.waiting.may_give or self.slots.num_free:
            return None
        newcomer = next((s for s in self.waiting.in_turn(1) if self._is_held_up(s)), None)
        giver = None if newcomer is None else self.waiting.giver(newcomer)
        of_giver = [s for s in self.running if s.request_id == giver and not s.keeps_slot]
        is_full = len(self.waiting.aside) >= len(self.slots.slots)  # no more are set aside than there are slots
        if not of_giver or is_full or self.num_aside_bytes() >= self.batching.max_aside_bytes:
            return None
        return max(enumerate(of_giver), key=lambda each: (each[1].is_prefilled, each[0]))[1]

    def _is_held_up(self, sequence: TokenSequence) -> bool:
        return not self.waiting.num_running(sequence) and not self._prefix_is_coming(sequence)

    def num_aside_bytes(self) -> int:
        """Return the size of what was saved of those that are set aside."""
        return sum(len(sequence.saved.state) for sequence in self.waiting.aside if sequence.saved is not None)

    def set_aside(self, sequence: TokenSequence, state: State | None) -> None:
        """Take a running sequence off its slot, to go on later from this state; None: nothing of it is computed."""
        assert sequence.slot is not None, "only a running sequence can be set aside"
        if state is not None:
            sequence.saved = Saved(state, self.slots.slots[sequence.slot].cached)
        self.running.remove(sequence)
        self.waiting.put_back(sequence)
        self.slots.release(sequence.slot)
        sequence.slot = None

    def place_again(self, sequence: TokenSequence) -> None:
        """Take a sequence off a slot whose content is in doubt, to begin anew: what it was to go on from is lost."""
        assert sequence.slot is not None, "only a running sequence is placed again"
        self.slots.forget(sequence.slot)
        sequence.num_computed = sequence.num_cached = 0
        self.set_aside(sequence, None)

    def fail(self, sequence: TokenSequence) -> None:
        """Take a running sequence off its slot and forget what the slot caches, for its content is in doubt."""
        assert sequence.slot is not None, "only a running sequence can fail"
        self.slots.forget(sequence.slot)
        self.finish(sequence)

    def schedule(self) -> Batch | None:
        """Return the next step, or None when there is nothing to compute."""
        placements = tuple(self._admit())
        prefilling = [s for s in self.running if not s.is_prefilled]
        decoding = [s for s in self.running if s.is_prefilled]
        decode_rows = [Row(s, 1, 1) for s in decoding]
        if self.batching.mixed:
            rows = decode_rows + self._chunks.next(prefilling, beside_decode=bool(decoding))
        elif prefilling and not (decoding and self._prefilled_last):
            rows = self._chunks.next(prefilling, beside_decode=bool(decoding))
            self._prefilled_last = True
        else:
            rows = decode_rows
            self._prefilled_last = False
        return Batch(placements, tuple(rows)) if rows else None

    def commit(self, rows: Sequence[Row], taken_s: float | None = None) -> None:
        """Note that these rows were computed, in ``taken_s`` if that is known."""
        if taken_s is not None:
            prefill = [row for row in rows if not row.sequence.is_prefilled]
            plain = [(row.sequence.num_computed, row.num_tokens) for row in prefill if row.num_logits <= 1]
            self.pace.note(plain, taken_s)
            if not prefill:
                self.pace.note_decode(taken_s)
        for row in rows:
            sequence = row.sequence
            if sequence.slot is None:
                continue  # aborted while the step ran
            start = sequence.num_computed
            sequence.num_computed += row.num_tokens
            # Only what prefill computed from the first token on; tokens that a decode step computed end it.
            is_prefill = start < sequence.num_prompt_tokens and row.num_tokens >= MIN_CHUNK
            is_prefill = is_prefill and (row.keep or self.batching.num_checkpoints is None)
            if is_prefill and start == len(self.slots.slots[sequence.slot].cached):
                self.slots.extend(sequence.slot, sequence.prompt[: sequence.num_computed])

    def _admit(self) -> Iterable[tuple[Placement, TokenSequence]]:
        """Give free slots to waiting sequences in turn, but let one wait whose prefix is being computed."""
        num_free = self.slots.num_free
        if not num_free or not self.waiting:
            return
        self._forget_outlooks()
        told_to_wait: set[int] = set()  # prompts by identity: the choices of one share it, and there may be thousands
        for sequence in self.waiting.in_turn(num_free):
            if id(sequence.prompt) in told_to_wait and not sequence.wants_prompt_logits:
                continue
            if self._prefix_is_coming(sequence):
                told_to_wait.add(id(sequence.prompt))
                continue
            yield self._place(sequence), sequence
            told_to_wait.clear()  # it may have a slot now to copy from
            self._forget_outlooks()

    def _place(self, sequence: TokenSequence) -> Placement:
        """Give a waiting sequence the slot that suits it best; what that holds goes to the pool, if much is lost."""
        placement = self._placement(sequence)
        evicted = self.slots.evicted(placement) if self.pool.is_used else None
        if evicted is not None and not self.pool.has(*evicted):
            placement = replace(placement, evicted=evicted)
        self.slots.hold(placement, sequence.id, sequence.scope)
        self.waiting.take(sequence)
        self.running.append(sequence)
        sequence.slot = placement.slot
        if sequence.placed_at is None:
            sequence.placed_at = time.perf_counter()
        return placement

    def _placement(self, sequence: TokenSequence) -> Placement:
        """Return where a sequence goes: on from where it was set aside, or from the most that slots or pool have."""
        saved, sequence.saved = sequence.saved, None
        if saved is not None:
            return self.slots.place_loaded(sequence.num_computed, saved=saved)
        reuse = not sequence.wants_prompt_logits
        placement = self.slots.place(sequence.prompt, reuse=reuse, scope=sequence.scope)
        assert placement is not None, "a slot is free"
        if reuse and self.pool.is_used:
            self.pool.num_queries += sequence.num_prompt_tokens - placement.length
            prefix, length = self.pool.find(sequence.prompt, sequence.scope)
            if length >= placement.length + MIN_SHARED_GAIN:
                self.pool.num_hits += length - placement.length
                placement = self.slots.place_loaded(length, prefix=prefix)
        sequence.num_computed = sequence.num_cached = placement.length
        return placement

    def _prefix_is_coming(self, sequence: TokenSequence) -> bool:
        """Whether a running prefill will soon hold much more of this prompt than any slot does now."""
        if not self.batching.can_fork or sequence.wants_prompt_logits or sequence.saved is not None:
            return False
        outlook = self._outlook(sequence)
        coming = max((self._coming(prefill, length) for prefill, length in outlook.shared), default=0)
        if coming < MIN_SHARED_GAIN:
            return False
        filled = (self.slots.filled(prefill.slot, length) for prefill, length in outlook.shared)
        return coming >= max([outlook.kept, *filled]) + MIN_SHARED_GAIN

    def _forget_outlooks(self) -> None:
        """Forget what was compared if a prefill or a slot is another now."""
        compared_with = [s.id for s in self.running if not s.is_prefilled], self.slots.num_changes
        if compared_with != self._outlooks_of:
            self._outlooks_of = compared_with
            self._outlooks.clear()

    def _outlook(self, sequence: TokenSequence) -> _Outlook:
        """Compare a prompt with prefills and slots of its scope, once until one of them is another."""
        prompt, scope = sequence.prompt, sequence.scope
        if (known := self._outlooks.get((id(prompt), scope))) is not None:
            return known
        prefills = [s for s in self.running if not s.is_prefilled]
        filling = {s.slot for s in prefills}
        slots = [slot for slot in self.slots.slots if slot.index not in filling]
        kept = [self.slots.reusable_of(slot, prompt, scope) for slot in slots]
        shared = tuple((s, reusable_length(prompt, s.prompt)) for s in prefills if s.scope == scope)
        kept.append(self.pool.find(prompt, scope)[1])
        self._outlooks[id(prompt), scope] = outlook = _Outlook(prompt, shared, max(kept))
        return outlook

    def _coming(self, prefill: TokenSequence, length: int) -> int:
        """Return how much of ``length`` tokens that a prompt shares with a prefill it may have once that is done."""
        if self.batching.num_checkpoints is None:
            return length
        kept = self._chunks.last_checkpoint(prefill)
        return kept if kept <= length else 0
