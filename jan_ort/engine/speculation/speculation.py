"""Which steps get drafts, and what becomes of them (hops 5 and 7)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from jan_ort.engine.batch import Batch, Row
from jan_ort.engine.batching import Batching
from jan_ort.engine.generation import Generation
from jan_ort.engine.in_flight import InFlight
from jan_ort.engine.model_runner import Computed
from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.speculation.budget import Budget
from jan_ort.engine.speculation.call_times import CallTimes
from jan_ort.engine.speculation.drafter import Draft, Drafter, StepPrices, Wanted
from jan_ort.engine.speculation.verification import Verification, Verified

MAX_DRAFT = 15
"""Tokens of a draft; with the one that was sampled last they are a row of 16."""

BEARABLE = 0.02
"""How much longer a step may take for a stream without a draft, as a share."""


class Speculation:
    """Adds drafts to steps in which every row decodes, while all streams gain by it; none without a ``drafter``.

    Where the session does not mix rows, each with a draft is a call by itself.
    """

    def __init__(self, drafter: Drafter | None, in_flight: InFlight, batching: Batching, context_length: int) -> None:
        self._drafter = drafter
        self._generations = in_flight.generations
        self._statistics = in_flight.statistics
        self._mixed = batching.mixed
        self._context_length = context_length
        self._times = CallTimes()
        self._budget = Budget()
        self._price = 1.0  # of the last step with drafts, in steps without any
        self._guessing = 0.0  # what guessing the last drafts took, likewise
        if drafter is not None:
            in_flight.ended = self._end

    def extend(self, batch: Batch) -> Batch:
        """Return the step with drafts, or as it is: as any that has a prompt's chunk."""
        if self._drafter is None or not all(row.sequence.is_prefilled for row in batch.rows):
            return batch
        sampled = [self._generations[row.sequence.id] for row in batch.rows]
        if not self._is_bearable(sampled):
            return batch
        drafts = self._guessed(self._drafter, sampled)
        for longest in _halves(max(map(len, drafts))):
            cut = [draft[:longest] for draft in drafts]
            if self._is_worth_it(sampled, cut):
                rows = map(_drafted, batch.rows, cut)
                return replace(batch, rows=tuple(rows), apart=not self._mixed)
        self._note_vain(sampled)
        return batch

    def verify(self, computed: Computed) -> Iterable[Computed]:
        """Return a part of the step as parts of one token a row; whoever takes the last one has the drafts judged."""
        if self._drafter is None:
            return (computed,)
        if all(row.sequence.is_prefilled for row in computed.rows):
            self._times.note(len(computed.rows), sum(row.num_tokens for row in computed.rows), computed.taken_s)
        return self._verify(computed) if any(row.draft for row in computed.rows) else (computed,)

    def _verify(self, computed: Computed) -> Iterator[Computed]:
        verification = Verification(computed)
        for number, part in enumerate(verification):
            for row in part.rows if number else ():
                self._allow(self._generations[row.sequence.id])
            yield part
        for each in verification.rows:
            self._judge(each)

    def kill(self) -> None:
        """End a drafter that hangs, from any thread, if that can be done."""
        if self._drafter is not None:
            self._drafter.kill()

    def close(self) -> None:
        """Free what the drafter holds."""
        if self._drafter is not None:
            self._drafter.close()

    def _guessed(self, drafter: Drafter, sampled: Sequence[Generation]) -> list[Draft]:
        """Return a draft for each sequence, and note how long it took to guess them."""
        plain_s = self._times.of(len(sampled), len(sampled))
        prices = StepPrices(
            plain_s,
            lambda num: self._price_of([num] * len(sampled)),
            lambda: self._may_lose(sampled),
        )
        wanted = [Wanted(each.sequence, each.sampler, self._most(each)) for each in sampled]
        drafts = drafter.drafts(wanted, prices)
        self._guessing = drafter.taken_s / plain_s if plain_s else 0.0
        return drafts

    def _note_vain(self, sampled: Sequence[Generation]) -> None:
        """Note what it took to guess drafts that are not worth checking."""
        for each in sampled if self._guessing else ():
            self._budget.note(each.sequence.id, 1 + self._guessing, 1)

    def _end(self, sequence: TokenSequence) -> None:
        assert self._drafter is not None, "else nobody asks for it"
        self._drafter.end(sequence)
        self._budget.end(sequence.id)

    def _most(self, generation: Generation) -> int:
        """Return how many tokens may be drafted: none beyond the limits of answer and context."""
        room = self._context_length - generation.sequence.num_computed - 1
        return max(0, min(MAX_DRAFT, generation.num_remaining - 1, room))

    def _is_bearable(self, sampled: Sequence[Generation]) -> bool:
        """Whether every stream can bear the cheapest drafts, if all fail: else they need not be looked for."""
        num_rows = len(sampled)
        least = min(self._price_of([1] * num_drafts + [0] * (num_rows - num_drafts)) for num_drafts in (1, num_rows))
        return self._may_lose(sampled) >= least - 1

    def _may_lose(self, sampled: Sequence[Generation]) -> float:
        """Return how many steps every one of these can bear to lose."""
        return min(self._budget.left(each.sequence.id, each.sampler.num_generated) for each in sampled)

    def _is_worth_it(self, sampled: Sequence[Generation], drafts: Sequence[Draft]) -> bool:
        """Whether every stream of the step may gain by these drafts, or not feel them, and can bear it if all fail."""
        price = self._price = self._price_of([len(draft) for draft in drafts])
        return self._may_lose(sampled) >= price - 1 and all(1 + (len(draft) or BEARABLE) > price for draft in drafts)

    def _price_of(self, lengths: Sequence[int]) -> float:
        """Return what a step with drafts takes, in steps without any; infinity if that is not known yet."""
        num_rows = len(lengths)
        calls = [(num_rows, num_rows + sum(lengths))]
        if not self._mixed:
            num_plain = lengths.count(0)
            calls = [(1, 1 + num) for num in lengths if num] + [(num_plain, num_plain)] * bool(num_plain)
        plain_s = self._times.of(num_rows, num_rows)
        taken_s = [self._times.of(*call) for call in calls]
        return math.inf if plain_s is None else sum(each or math.inf for each in taken_s) / plain_s

    @staticmethod
    def _allow(generation: Generation) -> None:
        """Compute what a grammar allows after a token of a draft; beside the step only the first mask was."""
        if generation.constraint is not None:
            generation.update_allowed()

    def _judge(self, verified: Verified) -> None:
        sequence, num_drafted = verified.row.sequence, len(verified.row.draft)
        self._budget.note(sequence.id, self._price + self._guessing, 1 + verified.num_accepted)
        if num_drafted and self._drafter is not None:
            self._statistics.note_draft(num_drafted, verified.num_accepted)
            self._drafter.judged(sequence, num_drafted, verified.num_accepted)


def _halves(num: int) -> Iterator[int]:
    while num:
        yield num
        num //= 2


def _drafted(row: Row, draft: Draft) -> Row:
    return replace(row, num_tokens=1 + len(draft), num_logits=1 + len(draft), draft=draft)
