"""Schedules of choices that share their prompt's array, against a twin that looks at all that waits each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jan_ort.engine import scheduler as scheduler_module
from jan_ort.engine.batching import Batching
from jan_ort.engine.scheduler import MIN_SHARED_GAIN, Scheduler
from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.slots import Placement, reusable_length
from tests.engine.running import Tokens
from tests.engine.schedules import Job, Run
from tests.engine.test_scheduler_runs import FAMILIES, batchings, live


@cache
def array(prompt: tuple[int, ...]) -> Tokens:
    return np.array(prompt, dtype=np.int64)


@dataclass(frozen=True)
class Choice(Job):
    """One of the choices of a prompt, which all have the same array."""

    def sequence(self) -> TokenSequence:
        prompt = array(tuple(self.prompt))
        return TokenSequence(prompt, self.request or self.name, wants_prompt_logits=self.prompt_logits)


class SlowScheduler(Scheduler):
    def __init__(self, num_slots: int, batching: Batching) -> None:
        super().__init__(num_slots, batching)
        self.queue: list[TokenSequence] = []
        self.turns: list[str] = []
        self.sizes: Counter[str] = Counter()

    def add(self, sequence: TokenSequence) -> None:
        super().add(sequence)
        if not any(s.request_id == sequence.request_id for s in (*self.queue, *self.running)):
            self.turns.append(sequence.request_id)
            self.sizes[sequence.request_id] = 0
        self.queue.append(sequence)
        self.sizes[sequence.request_id] += 1

    def abort(self, request_id: str) -> list[TokenSequence]:
        self.queue = [s for s in self.queue if s.request_id != request_id]
        return super().abort(request_id)

    def _prefix_is_coming(self, sequence: TokenSequence) -> bool:
        if not self.batching.can_fork or sequence.wants_prompt_logits:
            return False
        prefills = [s for s in self.running if not s.is_prefilled]
        lengths = (reusable_length(sequence.prompt, s.prompt) for s in prefills)
        coming = max((self._coming(s, length) for s, length in zip(prefills, lengths, strict=True)), default=0)
        cached = max(self.slots.reusable_of(slot, sequence.prompt) for slot in self.slots.slots)
        return coming >= MIN_SHARED_GAIN and coming >= cached + MIN_SHARED_GAIN

    def _admit(self) -> Iterable[tuple[Placement, TokenSequence]]:
        told_to_wait: list[TokenSequence] = []
        while (sequence := self._next(told_to_wait)) is not None:
            if self._prefix_is_coming(sequence):
                told_to_wait.append(sequence)
                continue
            placement = self.slots.place(sequence.prompt, reuse=not sequence.wants_prompt_logits)
            assert placement is not None
            self.slots.hold(placement, sequence.id)
            self.queue.remove(sequence)
            self.turns.append(sequence.request_id)
            self.waiting.take(sequence)
            self.running.append(sequence)
            sequence.slot = placement.slot
            sequence.num_computed = sequence.num_cached = placement.length
            yield placement, sequence

    def _next(self, told_to_wait: Sequence[TokenSequence]) -> TokenSequence | None:
        running = Counter(s.request_id for s in self.running)
        last_turns = {request_id: at for at, request_id in enumerate(self.turns)}
        num_slots = len(self.slots.slots)
        keeps_last = [each for each in running if running[each] and self.sizes[each] > num_slots]
        barred = keeps_last if self.slots.num_free == 1 else []
        may_go = [s for s in self.queue if s not in told_to_wait and s.request_id not in barred]
        if not self.slots.num_free or not may_go:
            return None
        return min(may_go, key=lambda s: (running[s.request_id], last_turns[s.request_id], s.id))


@st.composite
def choices(draw: st.DrawFn) -> list[Job]:
    jobs: list[Job] = []
    for at in range(draw(st.integers(1, 5))):
        prompt = (*draw(st.sampled_from(FAMILIES))[: draw(st.integers(1, 60))], *draw(st.lists(st.just(0), max_size=2)))
        generated, arrives, logits = draw(st.tuples(st.integers(1, 4), st.integers(0, 8), st.booleans()))
        for choice in range(draw(st.integers(1, 5))):
            wants_logits = logits and (at + choice) % 3 == 0
            request = draw(st.sampled_from(["", f"job{at}", "job0"]))
            jobs.append(Choice(f"job{len(jobs)}", prompt, generated, arrives, wants_logits, request))
    return sorted(jobs, key=lambda job: job.arrives)


@settings(max_examples=200, deadline=None)
@given(
    jobs=choices(),
    num_slots=st.integers(1, 4),
    batching=batchings.map(lambda batching: replace(batching, can_save=False)),  # the twin sets none aside
    aborts=st.dictionaries(st.integers(0, 25), st.integers(0, 8), max_size=3),
    outcomes=st.dictionaries(st.integers(0, 25), st.sampled_from(["interrupted", "failed"]), max_size=3),
)
def test_choices_are_scheduled_as_if_each_prompt_were_compared(
    jobs: list[Job], num_slots: int, batching: object, aborts: dict[int, int], outcomes: dict[int, str]
) -> None:
    fast, slow = (Run(kind(num_slots, batching)) for kind in (Scheduler, SlowScheduler))  # type: ignore[arg-type]

    live(fast, jobs, aborts, outcomes)
    live(slow, jobs, aborts, outcomes)

    assert (fast.steps, fast.ended) == (slow.steps, slow.ended)


def test_waiting_prompts_are_compared_anew_only_when_a_prefill_or_a_slot_is_another() -> None:
    compared: list[int] = []
    scheduler = Scheduler(2, Batching(chunk_alone=50))
    scheduler.add(Choice("long", tuple(range(500))).sequence())
    for at in range(100):
        scheduler.add(Choice(f"other-{at}", (*range(400), at)).sequence())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheduler_module, "reusable_length", lambda *pair: compared.append(1) or reusable_length(*pair))
        numbers = []
        for _ in range(6):
            batch = scheduler.schedule()
            assert batch is not None
            scheduler.commit(batch.rows)
            numbers.append(len(compared))

    assert [row.sequence.request_id for row in batch.rows] == ["long"], "the others wait for its prefix"
    assert len(set(numbers)) == 1, "only the first step compares"


def test_the_choices_of_a_prompt_are_compared_once() -> None:
    class Counting(Scheduler):
        num_compared = 0

        def _prefix_is_coming(self, sequence: TokenSequence) -> bool:
            self.num_compared += 1
            return super()._prefix_is_coming(sequence)

    scheduler = Counting(2)
    prompts = [tuple(range(500)), (*range(400), 7), (*range(400), 8)]
    for prompt in prompts:
        for at in range(100):
            scheduler.add(Choice(f"{len(prompt)}-{at}", prompt).sequence())

    scheduler.schedule()

    assert scheduler.num_compared == 1 + len(prompts)
