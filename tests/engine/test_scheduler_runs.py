"""Random lives of a scheduler; the model of the slots checks every step (see schedules.py for its assertions)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from jan_ort.engine.batching import Batching
from jan_ort.engine.scheduler import Scheduler
from tests.engine.schedules import Job, Run

FAMILIES = [[1000 * family + at for at in range(60)] for family in range(2)]
"""Prompts begin with part of one of these, so that they share prefixes."""

batchings = st.builds(
    Batching,
    mixed=st.booleans(),
    can_fork=st.booleans(),
    num_checkpoints=st.sampled_from([None, None, 0, 1, 3]),
    smallest_kept=st.sampled_from([2, 20]),
    chunk_alone=st.sampled_from([2, 3, 8, 50, 512]),
    chunk_beside_decode=st.sampled_from([2, 5, 16, 64]),
    chunk_with_logits=st.sampled_from([2, 3, 32]),
    can_save=st.booleans(),
)


@st.composite
def job_lists(draw: st.DrawFn) -> list[Job]:
    jobs = []
    for at in range(draw(st.integers(1, 9))):
        prefix = draw(st.sampled_from(FAMILIES))[: draw(st.integers(0, 60))]
        suffix = draw(st.lists(st.integers(0, 1), min_size=not prefix, max_size=3))
        generated, arrives, logits = draw(st.tuples(st.integers(1, 6), st.integers(0, 12), st.booleans()))
        jobs.append(Job(f"job{at}", [*prefix, *suffix], generated, arrives, logits and at % 3 == 0))
    return sorted(jobs, key=lambda job: job.arrives)


def live(run: Run, jobs: list[Job], aborts: dict[int, int], outcomes: dict[int, str]) -> None:
    """Run to the end; ``aborts`` and ``outcomes`` say what befalls which step."""
    todo = list(jobs)
    for at in range(5000):
        while todo and todo[0].arrives <= at:
            run.add(todo.pop(0))
        if at in aborts:
            run.abort(f"job{aborts[at]}")
        if not run.step(outcomes.get(at, "computed")) and not todo:
            return
    raise AssertionError("the schedule does not end")


@settings(max_examples=200, deadline=None)
@given(
    jobs=job_lists(),
    num_slots=st.integers(1, 4),
    batching=batchings,
    aborts=st.dictionaries(st.integers(0, 25), st.integers(0, 8), max_size=3),
    outcomes=st.dictionaries(st.integers(0, 25), st.sampled_from(["interrupted", "failed"]), max_size=3),
)
def test_every_sequence_ends_and_every_step_is_one_that_the_session_can_do(
    jobs: list[Job], num_slots: int, batching: Batching, aborts: dict[int, int], outcomes: dict[int, str]
) -> None:
    run = Run(Scheduler(num_slots, batching))

    live(run, jobs, aborts, outcomes)

    assert sorted(run.ended) == sorted(job.name for job in jobs)
    assert not run.scheduler.running
    assert not run.scheduler.waiting
    assert run.scheduler.slots.num_free == num_slots


@settings(max_examples=100, deadline=None)
@given(jobs=job_lists(), num_slots=st.integers(1, 4), batching=batchings)
def test_undisturbed_sequences_generate_all_their_tokens_without_a_wasted_step(
    jobs: list[Job], num_slots: int, batching: Batching
) -> None:
    run = Run(Scheduler(num_slots, batching))

    live(run, jobs, {}, {})

    assert {job.name: len(run.texts[job.name]) for job in jobs} == {job.name: job.num_generated for job in jobs}
    computed = sum(num for _, rows in run.steps for _, num, _ in rows)
    reused = sum(length for placements, _ in run.steps for *_, length in placements)
    assert computed + reused - run.num_resumed == sum(len(job.prompt) + job.num_generated - 1 for job in jobs)


@settings(max_examples=100, deadline=None)
@given(jobs=job_lists(), num_slots=st.integers(2, 4), batching=batchings)
def test_prefill_and_decode_take_turns(jobs: list[Job], num_slots: int, batching: Batching) -> None:
    run = Run(Scheduler(num_slots, batching))
    todo, streak, longest = list(jobs), 0, 0

    for at in range(5000):
        while todo and todo[0].arrives <= at:
            run.add(todo.pop(0))
        waits = any(sequence.is_prefilled for sequence in run.scheduler.running)
        if not run.step() and not todo:
            break
        decodes = bool(run.steps) and all(num == 1 for _, num, _ in run.steps[-1][1])
        streak = 0 if decodes or not waits or batching.mixed else streak + 1
        longest = max(longest, streak)

    assert longest <= 1
