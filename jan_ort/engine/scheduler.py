"""Which rows the next step computes: a pure function of what was added, aborted and finished (hop 5).

A backend that cannot mix rows freely (``Batching.mixed`` is False, the CPU's attention kernel) gets one of three kinds
of step: one prefill chunk of one sequence, the first prompts of several sequences, or one token of every sequence that
decodes. The scheduler then alternates, so that a long prompt delays running streams by one chunk at a time, and
running streams delay a prompt by one decode step at a time.

What a slot holds of a model with a state can be used again from checkpoints only (``Batching.num_checkpoints``): where
a prompt's chunks end, of which the last but one then ends just before the prompt's end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.batching import Batching
from jan_ort.engine.embedded import uncut, uncut_from
from jan_ort.engine.pace import Pace
from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.slots import MIN_CHUNK, Placement, SlotTable, reusable_length
from jan_ort.engine.turns import Turns

MIN_SHARED_GAIN = 16
"""Tokens that must be saved before a prompt waits for another one's prefill to pass their common prefix."""


@dataclass(frozen=True, slots=True)
class Row:
    """The next ``num_tokens`` tokens of a sequence; logits of the last ``num_logits`` of them are wanted.

    ``keep``: what the slot then holds is worth a checkpoint.
    """

    sequence: TokenSequence
    num_tokens: int
    num_logits: int
    keep: bool = False

    @property
    def is_sampled(self) -> bool:
        """Whether the row ends in the logits of the sequence's next token."""
        return self.num_logits > 0 and self.sequence.num_computed + self.num_tokens >= self.sequence.num_prompt_tokens


@dataclass(frozen=True, slots=True)
class Batch:
    """One step: first carry out the placements in order, then run the rows, which are never empty."""

    placements: tuple[tuple[Placement, TokenSequence], ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What a waiting prompt shares with each running prefill, and at most with a slot that no prefill is filling."""

    prompt: NDArray[np.int64]
    shared: tuple[tuple[TokenSequence, int], ...]
    kept: int


class Scheduler:
    """Requests take turns over the slots of one session; in these, short prompts overtake long ones."""

    def __init__(self, num_slots: int, batching: Batching | None = None) -> None:
        self.batching = batching or Batching()
        num_checkpoints = self.batching.num_checkpoints
        self.slots = SlotTable(num_slots, can_fork=self.batching.can_fork, num_checkpoints=num_checkpoints)
        self.pace = Pace(self.batching.longest_s)
        self.waiting = Turns(num_slots)
        self.running: list[TokenSequence] = []
        self._prefilled_last = False
        self._oldest_last = False  # whether the last chunk was one of the oldest prompt's
        self._outlooks: dict[int, _Outlook] = {}  # by prompt; there may be thousands, and each step asks for all
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
            rows = decode_rows + self._prefill_rows(prefilling, beside_decode=bool(decoding))
        elif prefilling and not (decoding and self._prefilled_last):
            rows = self._prefill_rows(prefilling, beside_decode=bool(decoding))
            self._prefilled_last = True
        else:
            rows = decode_rows
            self._prefilled_last = False
        return Batch(placements, tuple(rows)) if rows else None

    def commit(self, rows: Sequence[Row], taken_s: float | None = None) -> None:
        """Note that these rows were computed, in ``taken_s`` if that is known."""
        if taken_s is not None:
            plain = (row for row in rows if not row.sequence.is_prefilled and row.num_logits <= 1)
            self.pace.note([(row.sequence.num_computed, row.num_tokens) for row in plain], taken_s)
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
            placement = self.slots.place(sequence.prompt, reuse=not sequence.wants_prompt_logits)
            assert placement is not None, "a slot is free"
            self.slots.hold(placement, sequence.id)
            self.waiting.take(sequence)
            self.running.append(sequence)
            sequence.slot = placement.slot
            sequence.num_computed = sequence.num_cached = placement.length
            yield placement, sequence
            told_to_wait.clear()  # it may have a slot now to copy from
            self._forget_outlooks()

    def _prefix_is_coming(self, sequence: TokenSequence) -> bool:
        """Whether a running prefill will soon hold much more of this prompt than any slot does now."""
        if not self.batching.can_fork or sequence.wants_prompt_logits:
            return False
        outlook = self._outlook(sequence.prompt)
        coming = max((self._coming(prefill, length) for prefill, length in outlook.shared), default=0)
        if coming < MIN_SHARED_GAIN:
            return False
        filled = (self.slots.filled(prefill.slot, length) for prefill, length in outlook.shared)
        return coming >= max(outlook.kept, *filled) + MIN_SHARED_GAIN

    def _forget_outlooks(self) -> None:
        """Forget what was compared if a prefill or a slot is another now."""
        compared_with = [s.id for s in self.running if not s.is_prefilled], self.slots.num_changes
        if compared_with != self._outlooks_of:
            self._outlooks_of = compared_with
            self._outlooks.clear()

    def _outlook(self, prompt: NDArray[np.int64]) -> _Outlook:
        """Compare a prompt with prefills and slots, once until one of them is another."""
        if (known := self._outlooks.get(id(prompt))) is not None:
            return known
        prefills = [s for s in self.running if not s.is_prefilled]
        filling = {s.slot for s in prefills}
        kept = [self.slots.reusable_of(slot, prompt) for slot in self.slots.slots if slot.index not in filling]
        shared = tuple((s, reusable_length(prompt, s.prompt)) for s in prefills)
        self._outlooks[id(prompt)] = outlook = _Outlook(prompt, shared, max(kept, default=0))
        return outlook

    def _coming(self, prefill: TokenSequence, length: int) -> int:
        """Return how much of ``length`` tokens that a prompt shares with a prefill it may have once that is done."""
        if self.batching.num_checkpoints is None:
            return length
        kept = self._last_checkpoint(prefill)
        return kept if kept <= length else 0

    def _last_checkpoint(self, sequence: TokenSequence) -> int:
        """Return where the last chunk of a prompt ends that is kept, 0 if none is worth it."""
        end = uncut(sequence.prompt, sequence.num_prompt_tokens - MIN_CHUNK)
        is_worth_it = end - sequence.num_cached >= self.batching.smallest_kept
        return end if self.batching.num_checkpoints and is_worth_it else 0

    def _num_kept(self, sequence: TokenSequence) -> int:
        """Return how many tokens there are to a prompt's last checkpoint, if what comes before is all of prefill."""
        is_whole = sequence.num_computed == self.slots.num_cached(sequence.slot)
        return max(0, self._last_checkpoint(sequence) - sequence.num_computed) if is_whole else 0

    def _prefill_rows(self, prefilling: list[TokenSequence], *, beside_decode: bool) -> list[Row]:
        """Return a chunk of one prompt, or several whole prompts where the kind of step allows it.

        The oldest prompt and the one with the fewest chunks to go take turns: so a long one holds no short one up by
        more than a chunk, and goes on itself every other time. Among equals the one with the fewest of its request
        beside it goes first.
        """
        if not prefilling:
            return []
        budgets = {s.id: self._budget(s, prefilling, beside_decode=beside_decode) for s in prefilling}
        in_turn = prefilling
        if self._oldest_last:
            in_turn = sorted(
                prefilling, key=lambda s: (-(-s.num_remaining // budgets[s.id]), self.waiting.num_running(s))
            )
        self._oldest_last = in_turn[0] is prefilling[0]
        if self.batching.mixed:
            return self._fill(in_turn, budgets)
        budget = budgets[in_turn[0].id]
        first = self._first_prompts(in_turn, budget)
        return first if len(first) > 1 else [self._chunk(in_turn[0], budget)]

    def _budget(self, sequence: TokenSequence, prefilling: list[TokenSequence], *, beside_decode: bool) -> int:
        """Return how many tokens a step of this prompt may hold.

        Others wait while somebody decodes, and while another request's prompt needs but a chunk.
        """
        limits = self.batching
        ends_soon = (s.request_id for s in prefilling if s.num_remaining <= limits.smallest_alone)
        others_wait = beside_decode or any(request_id != sequence.request_id for request_id in ends_soon)
        smallest = limits.smallest_beside if others_wait else limits.smallest_alone
        largest = limits.chunk_beside_decode if beside_decode else limits.chunk_alone
        if sequence.wants_prompt_logits:
            largest = min(largest, limits.chunk_with_logits)
        return int(min(largest, max(smallest, self.pace.num_tokens(sequence.num_computed))))

    def _fill(self, prefilling: list[TokenSequence], budgets: dict[int, int]) -> list[Row]:
        """Return chunks of one prompt after another while each one's budget is not used up by those before it."""
        rows: list[Row] = []
        share = 1.0
        for sequence in prefilling:
            budget = round(share * budgets[sequence.id])
            if budget < MIN_CHUNK:
                break
            rows.append(self._chunk(sequence, budget))
            share -= rows[-1].num_tokens / budgets[sequence.id]
        return rows

    def _first_prompts(self, prefilling: list[TokenSequence], budget: int) -> list[Row]:
        """Return whole prompts of empty slots, in this order, whose right-padded rectangle fits the budget."""
        rows: list[Row] = []
        longest = 0
        for sequence in prefilling:
            num = sequence.num_prompt_tokens
            fits_the_kind = not sequence.num_computed and num >= MIN_CHUNK and not sequence.wants_prompt_logits
            fits_the_kind = fits_the_kind and not self._num_kept(sequence)
            if not fits_the_kind and not rows:
                break  # the prompt whose turn it is goes first, whatever could be batched behind it
            if not fits_the_kind:
                continue
            if (len(rows) + 1) * max(longest, num) > budget:
                break
            longest = max(longest, num)
            rows.append(Row(sequence, num, 1))
        return rows

    def _chunk(self, sequence: TokenSequence, budget: int) -> Row:
        """Return the next chunk of a prompt, never leaving a last chunk of one token."""
        num_kept = self._num_kept(sequence)
        remaining = num_kept or sequence.num_remaining
        num = min(remaining, max(budget, MIN_CHUNK))
        if remaining - num == 1:
            num = num - 1 if num > MIN_CHUNK else remaining
        num = _whole_runs(sequence, num)
        ends = num == sequence.num_remaining
        return Row(sequence, num, num if sequence.wants_prompt_logits else int(ends), keep=num_kept > 0)


def _whole_runs(sequence: TokenSequence, num: int) -> int:
    """Return about ``num`` of a prompt's next tokens: so many that no image's run is cut, and no single token left."""
    if not sequence.embedded:
        return num
    begin = sequence.num_computed
    fewer = uncut(sequence.prompt, begin + num) - begin
    if fewer >= MIN_CHUNK:
        return fewer
    more = uncut_from(sequence.prompt, begin + num) - begin
    return more if sequence.num_remaining - more != 1 else sequence.num_remaining
