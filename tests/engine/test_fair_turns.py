"""A request that holds several slots gives one up for a request that has none, and its sequence goes on later."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jan_ort.engine.admission import Admission
from jan_ort.engine.batching import Batching
from jan_ort.engine.engine_errors import QueueFull
from jan_ort.engine.scheduler import MIN_SHARED_GAIN, Scheduler
from tests.engine.schedules import Job, Run, run
from tests.engine.test_scheduler_runs import batchings, live
from tests.engine.test_turns import many, num_steps

KINDS = pytest.mark.parametrize(
    "batching",
    [
        Batching(can_save=True),
        Batching(mixed=True, can_save=True),
        Batching(can_fork=False, can_save=True),
        Batching(num_checkpoints=0, can_save=True),
    ],
    ids=["chunked", "mixed", "no-fork", "recurrent"],
)


def generated(result: Run) -> set[int]:
    return {len(text) for text in result.texts.values()}


@KINDS
@pytest.mark.parametrize("shared", [True, False], ids=["n=128", "2000 prompts"])
@pytest.mark.parametrize("num_slots", [2, 8])
def test_a_request_is_computed_within_three_steps_beside_a_large_one(
    batching: Batching, shared: bool, num_slots: int
) -> None:
    large = many("large", 128 if shared else 2000, num_generated=5, shared=shared)
    small = [Job(f"small{at}", [7, at, 9], 1, arrives=20 + 20 * at) for at in range(5)]

    result = run(Scheduler(num_slots, batching), [*large, *small])

    assert [num_steps(result, job.name, since=job.arrives) <= 3 for job in small] == [True] * 5
    assert len(result.set_aside) <= len(small)
    assert len(result.ended) == len(large) + len(small)


def test_a_large_request_has_all_slots_until_somebody_comes() -> None:
    jobs = [*many("large", 100, num_generated=30), Job("one", [7, 8], 3, 9)]

    result = run(Scheduler(8, Batching(can_save=True)), jobs)

    assert len(result.steps[7][1]) == 8
    assert len(result.set_aside) == 1
    assert generated(result) == {30, 3}


def test_who_was_set_aside_goes_on_before_others_of_its_request() -> None:
    result = run(Scheduler(2, Batching(can_save=True)), [*many("large", 4, num_generated=9), Job("one", [7, 8], 2, 6)])

    ((_, name),) = result.set_aside
    assert result.ended.index(name) < 4


def test_several_that_come_at_once_get_a_slot_each_step() -> None:
    small = [Job(f"small{at}", [7, at, 9], 1, arrives=30) for at in range(5)]

    result = run(Scheduler(8, Batching(mixed=True, can_save=True)), [*many("large", 64, num_generated=90), *small])

    assert sorted(num_steps(result, job.name, since=30) for job in small) == [0, 1, 2, 3, 4]


def test_nobody_gives_up_a_slot_for_a_request_that_has_one() -> None:
    jobs = [*many("a", 3, num_generated=40), *many("b", 3, num_generated=40, arrives=2)]

    result = run(Scheduler(3, Batching(can_save=True)), jobs)

    assert len(result.set_aside) == 1


def test_a_slot_is_not_given_up_for_a_prompt_that_waits_for_its_prefix() -> None:
    prefix = list(range(100, 160))
    jobs = [
        *many("large", 20, num_generated=60),
        Job("first", prefix, 30, arrives=10),
        Job("second", [*prefix, 1, 2], 3, arrives=10),
    ]

    result = run(Scheduler(4, Batching(can_save=True, chunk_beside_decode=8)), jobs)

    first, second = (at for at, _ in result.set_aside)
    assert second - first > 7, "the second one waits until the prefix of the first is computed"
    assert result.steps[second][0][0][3] > len(prefix) - MIN_SHARED_GAIN, "and has it"


def keyed(owner: str, num: int, *, arrives: int = 0, num_generated: int = 40) -> list[Job]:
    """Return requests of one key, of a sequence each."""
    first = 5000 + 100 * ord(owner)
    return [Job(f"{owner}{at}", [first + at, 1, 2], num_generated, arrives + at, owner=owner) for at in range(num)]


def test_keys_take_turns_however_many_requests_one_of_them_has() -> None:
    jobs = [*keyed("a", 40), *keyed("b", 20, arrives=60), *keyed("c", 1, arrives=90)]

    result = run(Scheduler(4, Batching(mixed=True, can_save=True)), jobs)

    assert num_steps(result, "b0", since=60) <= 3
    assert num_steps(result, "c0", since=90) <= 3
    beside = Counter(name[0] for name, *_ in result.steps[85][1])
    assert beside == {"a": 2, "b": 2}
    assert generated(result) == {40}


def test_a_key_that_asks_once_is_not_kept_out_of_the_queue_by_another() -> None:
    admission = Admission(8)
    for at in range(8):
        admission.admit(f"a{at}", 1, "a")

    with pytest.raises(QueueFull, match="8 sequences are queued or running and the limit is 8"):
        admission.admit("a8", 1, "a")
    admission.admit("b0", 1, "b")
    assert admission.num_queued == 9


def test_a_prefix_is_found_within_its_scope_only() -> None:
    prefix = list(range(100, 160))
    jobs = [
        Job("a", prefix, 1, owner="a"),
        Job("b", [*prefix, 1, 2], 1, arrives=3, owner="b"),
        Job("a-again", [*prefix, 1, 2], 1, arrives=6, owner="a"),
        Job("c", [*prefix, 3, 4], 1, arrives=9, owner="c"),
        Job("c-beside", [*prefix, 5, 6], 1, arrives=9, owner="c"),
    ]

    result = run(Scheduler(8, Batching(chunk_alone=32)), jobs)

    lengths = {name: length for step in result.steps for name, _, _, length in step[0]}
    assert lengths == {"a": 0, "b": 0, "a-again": 60, "c": 0, "c-beside": 60}


def test_no_more_is_set_aside_than_there_is_room_for() -> None:
    jobs = [*many("large", 8, num_generated=60), *[Job(f"s{at}", [7, at], 40, arrives=10) for at in range(4)]]
    batching = Batching(mixed=True, can_save=True, max_aside_bytes=20)  # a byte stands for a token here

    result = run(Scheduler(8, batching), jobs)

    assert len(result.set_aside) == 2


@settings(max_examples=200, deadline=None)
@given(
    jobs=st.lists(
        st.builds(
            lambda num, owner, generated, arrives, logits, length: (num, owner, generated, arrives, logits, length),
            st.integers(1, 6),
            st.sampled_from(["", "a", "b"]),
            st.integers(1, 12),
            st.integers(0, 20),
            st.booleans(),
            st.integers(1, 40),
        ),
        min_size=1,
        max_size=6,
    ),
    num_slots=st.integers(1, 4),
    batching=batchings,
    aborts=st.dictionaries(st.integers(0, 40), st.integers(0, 6), max_size=3),
    outcomes=st.dictionaries(st.integers(0, 40), st.sampled_from(["interrupted", "failed"]), max_size=3),
)
def test_in_any_life_each_sequence_ends_and_finds_in_its_slot_what_it_left(
    jobs: list[tuple[int, str, int, int, bool, int]],
    num_slots: int,
    batching: Batching,
    aborts: dict[int, int],
    outcomes: dict[int, str],
) -> None:
    every = [
        Job(
            f"{at}/{choice}",
            range(500 * (at % 2), 500 * (at % 2) + length),
            generated,
            arrives,
            logits,
            f"job{at}",
            owner,
        )
        for at, (num, owner, generated, arrives, logits, length) in enumerate(jobs)
        for choice in range(num)
    ]
    result = Run(Scheduler(num_slots, batching))

    live(result, sorted(every, key=lambda job: job.arrives), aborts, outcomes)

    assert sorted(result.ended) == sorted(job.name for job in every)
    assert (len(result.scheduler.waiting), result.scheduler.waiting._parts, result.scheduler.waiting._held) == (
        0,
        {},
        {},
    )
    assert result.scheduler.slots.num_free == num_slots
