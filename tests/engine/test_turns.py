"""Requests take turns: one with many sequences holds no other one up, neither for a slot nor out of the queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from jan_ort.engine import scheduler as scheduler_module
from jan_ort.engine.admission import Admission
from jan_ort.engine.batching import Batching
from jan_ort.engine.engine_errors import QueueFull
from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.engine.scheduler import Scheduler
from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.turns import MAX_LOOKED_AT
from jan_ort.sampling.params import SamplingParams
from tests.engine.running import HeldSession, ask, encode, outputs_of, put_all, request, running
from tests.engine.schedules import Job, Run, placements, run


def many(name: str, num: int, *, num_generated: int = 200, arrives: int = 0, shared: bool = True) -> list[Job]:
    """Return the sequences of one request: choices of one prompt, or prompts with nothing in common."""
    first = 0 if shared else 1000 * sum(map(ord, name))
    prompts = [[1, 2, 3, 4] if shared else [first + 4 * at + k for k in range(4)] for at in range(num)]
    return [Job(f"{name}{at}", prompt, num_generated, arrives, request=name) for at, prompt in enumerate(prompts)]


def num_steps(result: Run, name: str, since: int) -> int:
    """Return how many steps after ``since`` the job of this name was computed in the first time."""
    at = next(at for at, step in enumerate(result.steps) if name in [row[0] for row in step[1]])
    return at - since


@pytest.mark.parametrize("batching", [Batching(), Batching(mixed=True)], ids=["chunked", "mixed"])
@pytest.mark.parametrize("shared", [True, False], ids=["n=128", "128 prompts"])
@pytest.mark.parametrize("num_slots", [2, 8])
def test_a_request_is_computed_at_once_beside_one_with_128_sequences(
    batching: Batching, shared: bool, num_slots: int
) -> None:
    jobs = [*many("large", 128, num_generated=50, shared=shared), Job("one", [7, 8, 9], 1, arrives=60)]

    result = run(Scheduler(num_slots, batching), jobs)

    assert num_steps(result, "one", since=60) <= 2
    assert len(result.ended) == 129


def test_a_request_that_fits_the_slots_has_all_of_them() -> None:
    result = run(Scheduler(8), many("fits", 8, num_generated=3))

    assert len(placements(result)) == 8
    assert [len(step[1]) for step in result.steps][-1] == 8


def test_a_slot_goes_to_the_request_with_the_fewest_and_then_to_the_one_that_waits_longest() -> None:
    jobs = [*many("a", 6, num_generated=3), *many("b", 6, num_generated=3), *many("c", 2, num_generated=3)]

    result = run(Scheduler(3), jobs)

    order = [name[0] for name, *_ in placements(result)]
    assert order[:9] == ["a", "b", "c"] * 2 + ["a", "b", "a"]


def test_large_requests_share_the_slots() -> None:
    result = Run(Scheduler(8))
    for job in (*many("a", 100, num_generated=20), *many("b", 100, num_generated=20)):
        result.add(job)
    for _ in range(200):
        result.step()

    by_request = [sum(name[0] == each for name, *_ in placements(result)) for each in "ab"]
    assert max(by_request) - min(by_request) <= 1


def test_a_stream_of_small_requests_leaves_a_large_one_its_turns() -> None:
    small = [Job(f"s{at}", [7, at], 4, arrives=5 * at) for at in range(100)]

    result = run(Scheduler(2), [*many("large", 10, num_generated=4), *small])

    turns = [name for name, *_ in placements(result)]
    assert turns.index("large9") <= 30


def test_equally_long_prompts_of_another_request_do_not_wait_for_all_of_a_large_one() -> None:
    large = [Job(f"l{at}", range(1000 * at, 1000 * at + 40), request="large") for at in range(1, 8)]

    result = run(Scheduler(8, Batching(chunk_alone=10)), [*large, Job("one", range(40), arrives=1)])

    assert result.ended.index("one") <= 1


def test_what_is_dropped_is_forgotten() -> None:
    scheduler = Scheduler(2)
    result = Run(scheduler)
    for job in many("large", 100):
        result.add(job)
    result.step()

    assert len(scheduler.abort("large")) == 100
    assert (len(scheduler.waiting), scheduler.waiting._parts, scheduler.running) == (0, {}, [])


def test_waiting_sequences_are_looked_at_only_where_one_of_them_may_have_a_slot() -> None:
    scheduler = Scheduler(8)
    looked: list[int] = []
    for at in range(2048):
        scheduler.add(TokenSequence(np.array([at, at + 1, at + 2]), "large"))
    batch = scheduler.schedule()
    assert batch is not None
    in_turn = scheduler.waiting.in_turn

    def counting(num_free: int):  # type: ignore[no-untyped-def]
        for each in in_turn(num_free):
            looked.append(each.id)
            yield each

    scheduler.waiting.in_turn = counting  # type: ignore[method-assign]
    for _ in range(20):
        scheduler.schedule()

    assert (looked, scheduler.slots.num_free) == ([], 1)


def test_one_request_takes_half_of_the_queue_at_most() -> None:
    admission = Admission(8)
    admission.admit("large", 100)

    admission.admit("other", 50)
    assert admission.num_queued == 150
    with pytest.raises(QueueFull, match="150 sequences are queued or running and the limit is 8"):
        admission.admit("third", 1)
    for _ in range(47):
        admission.end("other")
    admission.admit("third", 1)
    for request_id, number in (("large", 100), ("other", 3), ("third", 1)):
        for _ in range(number):
            admission.end(request_id)
    assert (admission.num_queued, admission._counted, admission._left) == (0, {}, {})


def of(num: int, params: SamplingParams) -> GenerationRequest:
    return request(*(Prompt(encode("The river"), at, params, choice=at) for at in range(num)))


def test_a_large_request_keeps_no_other_out_and_is_itself_computed_whole() -> None:
    session = HeldSession(num_slots=4)
    large, one = of(100, SamplingParams(5, seed=1, min_tokens=5)), ask("One", SamplingParams(1, seed=1))

    steps: list[int] = []

    def deliver(events: Sequence[tuple[Any, SequenceOutput]]) -> None:
        steps.extend(len(session.batches) for sink, _ in events if sink is one.sink)
        put_all(events)

    with running(session, max_queued=8, deliver=deliver) as engine:
        session.held = True
        engine.submit(large)
        engine.submit(one)
        session.release()
        (answered,) = outputs_of(one)
        outputs = outputs_of(large)

    assert answered.error is None
    assert len(steps) == 1
    assert steps[0] <= 8
    assert [(each.error, len(each.token_ids)) for each in outputs] == [(None, 5)] * 100


def test_a_step_compares_few_of_the_prompts_that_wait_for_a_common_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    scheduler = Scheduler(8, Batching(chunk_alone=50))
    for at in range(2048):
        scheduler.add(TokenSequence(np.array([*range(500), 1000 + at, 5]), "large"))
    compare = scheduler_module.reusable_length
    monkeypatch.setattr(scheduler_module, "reusable_length", lambda *pair: compared.append(1) or compare(*pair))

    batch = scheduler.schedule()

    assert batch is not None
    assert len(batch.rows) == 1, "the others wait for its prefix"
    assert len(compared) <= 8 * MAX_LOOKED_AT
