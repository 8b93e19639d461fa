"""A step of a prompt is bounded in time: on machines of any speed, near the beginning of a prompt and far from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from jan_ort.engine.batch import Row
from jan_ort.engine.batching import Batching
from jan_ort.engine.pace import ASSUMED_S, MIN_TIMED, UNNOTICED_S, Pace
from jan_ort.engine.scheduler import Scheduler
from jan_ort.sampling.params import SamplingParams
from tests.engine.running import HeldSession, ask, outputs_of, running
from tests.engine.schedules import Job, Run, run

LONGEST_S = 0.25
CHUNKED = Batching(longest_s=LONGEST_S)
MIXED = Batching(mixed=True, longest_s=LONGEST_S)
kinds = pytest.mark.parametrize("batching", [CHUNKED, MIXED], ids=["chunked", "mixed"])
speeds = pytest.mark.parametrize("slowness", [0.05, 1, 4, 20], ids=["a GPU", "two cores", "loaded", "a large model"])


def machine(slowness: float) -> Callable[[Sequence[Row]], float]:
    """Return what steps take: at 1, about what SmolLM2 takes on two cores."""

    def cost(rows: Sequence[Row]) -> float:
        tokens = sum(row.num_tokens * (1.2e-3 + 0.45e-6 * row.sequence.num_computed) for row in rows)
        return slowness * (0.01 + tokens)

    return cost


def prompt_steps(result: Run, name: str) -> list[tuple[int, float]]:
    """Return the number of this prompt's tokens in each step that holds some, and the seconds of the step."""
    steps = zip(result.steps, result.taken_s, strict=True)
    return [(num, taken_s) for (_, rows), taken_s in steps for job, num, _ in rows if job == name and num > 1]


def test_a_token_takes_what_it_took_last_in_its_stretch_or_in_one_before_it() -> None:
    pace = Pace(1.0)
    pace.note([(0, 100)], 0.1)
    pace.note([(3000, 50)], 0.5)

    found = [round(pace.num_tokens(position)) for position in (0, 255, 256, 2047, 2048, 4095, 4096, 90_000)]

    assert found == [1000] * 4 + [100] * 4


def test_few_tokens_tell_nothing() -> None:
    pace = Pace(1.0)
    pace.note([(0, MIN_TIMED - 1)], 100.0)
    pace.note([], 100.0)

    assert pace.num_tokens(0) == 1 / ASSUMED_S


def test_what_several_prompts_take_in_one_step_is_shared_by_what_they_took_before() -> None:
    pace = Pace(1.0)
    pace.note([(0, 100)], 0.1)
    pace.note([(5000, 100)], 0.4)

    pace.note([(0, 100), (5000, 100)], 1.0)

    assert [round(pace.num_tokens(position)) for position in (0, 5000)] == [500, 125]


@kinds
@speeds
def test_a_long_prompt_holds_a_stream_up_for_the_longest_time_or_by_the_smallest_chunk(
    batching: Batching, slowness: float
) -> None:
    jobs = [Job("stream", [1, 2], 400), Job("long", range(10, 5410), arrives=2)]

    result = run(Scheduler(4, batching), jobs, cost=machine(slowness))

    steps = prompt_steps(result, "long")
    assert sum(num for num, _ in steps) == 5400
    beside = steps[2:80]  # the first is not timed yet, nor a small one; and the stream lasts for 400 steps
    assert all(taken_s <= 1.1 * LONGEST_S or num <= batching.smallest_beside for num, taken_s in beside)
    assert max(num for num, _ in beside) <= batching.chunk_beside_decode


@speeds
def test_beside_streams_a_prompt_takes_little_more_than_their_own_steps(slowness: float) -> None:
    jobs = [*(Job(f"stream{at}", [1, 2], 400) for at in range(8)), Job("long", range(10, 5410), arrives=8)]

    result = run(Scheduler(9, CHUNKED), jobs, cost=machine(slowness))

    steps = prompt_steps(result, "long")[2:80]
    decode_s = slowness * (0.01 + 8 * 1.2e-3)
    longest_s = min(LONGEST_S, max(UNNOTICED_S, CHUNKED.steps_beside * decode_s))
    assert all(taken_s <= 1.1 * longest_s or num <= CHUNKED.smallest_beside for num, taken_s in steps)
    assert slowness != 1 or max(num for num, _ in steps) > CHUNKED.smallest_beside


def test_streams_that_no_step_has_timed_bound_nothing() -> None:
    pace = Pace(1.0, steps_beside=1.5)
    pace.note([(0, 100)], 0.1)
    untimed = pace.num_tokens(0, beside_decode=True)
    pace.note_decode(0.2)

    assert (untimed, pace.num_tokens(0, beside_decode=True), pace.num_tokens(0)) == pytest.approx((1000, 300, 1000))


@kinds
@speeds
def test_alone_a_prompt_is_bounded_in_time_but_not_cut_smaller_than_pays(batching: Batching, slowness: float) -> None:
    result = run(Scheduler(4, batching), [Job("long", range(5400))], cost=machine(slowness))

    steps = prompt_steps(result, "long")
    within = [taken_s <= 1.1 * LONGEST_S or num <= batching.smallest_alone for num, taken_s in steps[1:]]
    assert all(within)
    assert all(num >= batching.smallest_alone for num, _ in steps[:-2])


def test_a_fast_machine_takes_whole_chunks() -> None:
    result = run(Scheduler(4, CHUNKED), [Job("long", range(5400))], cost=machine(0.05))

    assert [num for num, _ in prompt_steps(result, "long")][1:10] == [512] * 9


@kinds
@pytest.mark.parametrize("num_long", [1, 3])
@pytest.mark.parametrize("arrives", [20, 21, 60, 61, 75, 76])
def test_a_short_prompt_beside_long_ones_waits_for_one_short_step(
    batching: Batching, num_long: int, arrives: int
) -> None:
    long = [Job(f"long{at}", range(10_000 * at, 10_000 * at + 5400)) for at in range(1, 1 + num_long)]
    short = Job("short", range(30), arrives=arrives)

    result = run(Scheduler(8, batching), [*long, short], cost=machine(1))

    ended = next(at for at, (_, rows) in enumerate(result.steps) if "short" in [name for name, *_ in rows])
    assert ended - arrives <= 1
    assert sum(result.taken_s[arrives : ended + 1]) <= 2.2 * LONGEST_S


@kinds
@pytest.mark.parametrize("arrives", [1, 2, 9, 10, 16])
def test_a_short_prompt_does_not_wait_for_the_end_of_one_whose_logits_are_all_wanted(
    batching: Batching, arrives: int
) -> None:
    jobs = [Job("echo", range(600), prompt_logits=True), Job("short", range(1000, 1030), arrives=arrives)]

    result = run(Scheduler(4, Batching(mixed=batching.mixed)), jobs)

    ended = next(at for at, (_, rows) in enumerate(result.steps) if "short" in [name for name, *_ in rows])
    assert ended - arrives <= 1


def test_a_prompt_whose_logits_are_all_wanted_tells_nothing_of_others() -> None:
    jobs = [Job("echo", range(200), prompt_logits=True), Job("plain", range(1000, 3000), arrives=1)]

    result = run(Scheduler(4, CHUNKED), jobs, cost=lambda rows: 0.2 if rows[0].num_logits > 1 else 0.01)

    assert max(num for num, _ in prompt_steps(result, "echo")) == CHUNKED.chunk_with_logits
    assert [num for num, _ in prompt_steps(result, "plain")][1:-1] == [512] * 3


def test_the_engine_times_its_steps() -> None:
    session = HeldSession(num_slots=2)
    text = "The river runs along the old garden. " * 10

    with running(session, prefill_step_s=1e-9) as engine:
        asked = ask(text, SamplingParams(1, seed=1))
        engine.submit(asked)
        outputs_of(asked)
        token_s = dict(engine._scheduler.pace._token_s)

    assert {num for ((_, num),) in session.batches[:-2]} == {64}
    assert token_s
    assert ASSUMED_S not in token_s.values()
