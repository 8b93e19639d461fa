"""Whole schedules: sequences with scripted lengths in, every step's placements and rows out."""

from __future__ import annotations

from itertools import pairwise

import pytest

from jan_ort.engine.batching import Batching
from jan_ort.engine.scheduler import Scheduler
from tests.engine.schedules import Job, placements, rows, run

SYSTEM = list(range(100, 130))
"""A prefix that several prompts share."""


def test_one_prompt_is_prefilled_and_decoded() -> None:
    result = run(Scheduler(2), [Job("a", [1, 2, 3, 4, 5], num_generated=3)])

    assert result.steps == [
        ((("a", 0, 0, 0),), (("a", 5, 1),)),
        ((), (("a", 1, 1),)),
        ((), (("a", 1, 1),)),
    ]


def test_nothing_to_do_is_no_step() -> None:
    assert Scheduler(2).schedule() is None


@pytest.mark.parametrize(
    ("num_prompt", "chunk", "chunks"),
    [(1, 4, [1]), (2, 4, [2]), (4, 4, [4]), (5, 4, [3, 2]), (8, 4, [4, 4]), (9, 4, [4, 3, 2]), (3, 2, [3])],
)
def test_a_long_prompt_is_cut_into_chunks_of_which_none_is_one_token(
    num_prompt: int, chunk: int, chunks: list[int]
) -> None:
    result = run(Scheduler(1, Batching(chunk_alone=chunk)), [Job("a", range(num_prompt))])

    logits = [0] * (len(chunks) - 1) + [1]
    assert rows(result) == [(("a", num, wanted),) for num, wanted in zip(chunks, logits, strict=True)]


def test_a_long_prompt_and_running_streams_take_turns() -> None:
    streams = [Job("s", [1, 2], num_generated=7), Job("t", [3, 4], num_generated=4)]

    result = run(Scheduler(4, Batching(chunk_beside_decode=4)), [*streams, Job("long", range(10, 22), 2, arrives=1)])

    assert rows(result) == [
        (("s", 2, 1), ("t", 2, 1)),
        (("s", 1, 1), ("t", 1, 1)),
        (("long", 4, 0),),
        (("s", 1, 1), ("t", 1, 1)),
        (("long", 4, 0),),
        (("s", 1, 1), ("t", 1, 1)),
        (("long", 4, 1),),
        (("s", 1, 1), ("long", 1, 1)),
        (("s", 1, 1),),
        (("s", 1, 1),),
    ]


def test_many_long_prompts_never_hold_a_stream_up_by_more_than_one_chunk() -> None:
    long = [Job(f"long{at}", range(100 * at, 100 * at + 40), 3, arrives=1 + at) for at in range(1, 6)]

    result = run(Scheduler(8, Batching(chunk_beside_decode=8)), [Job("s", [1, 2], num_generated=30), *long])

    has_stream = ["s" in [name for name, _, _ in step] for step in rows(result)]
    between = has_stream[: len(has_stream) - has_stream[::-1].index(True)]
    assert all(first or second for first, second in pairwise(between))
    assert all(num <= 8 for step in rows(result)[1 : len(between)] for name, num, _ in step if name != "s")


def test_streams_never_hold_a_prompt_up_by_more_than_one_step() -> None:
    streams = [Job(f"s{at}", [at, at], num_generated=40, arrives=at) for at in range(4)]

    result = run(Scheduler(8, Batching(chunk_beside_decode=2)), [*streams, Job("long", range(500, 520), arrives=8)])

    prefills = [at for at, step in enumerate(rows(result)) if step[0][0] == "long"]
    assert prefills == list(range(prefills[0], prefills[0] + 20, 2))


def test_first_prompts_share_a_step_while_their_rectangle_fits() -> None:
    sizes = {"a": 3, "b": 5, "c": 4, "d": 2}
    jobs = [Job(name, [at * 10 + k for k in range(size)]) for at, (name, size) in enumerate(sizes.items())]

    result = run(Scheduler(8, Batching(chunk_alone=15)), jobs)

    assert rows(result) == [(("a", 3, 1), ("b", 5, 1), ("c", 4, 1)), (("d", 2, 1),)]


def test_the_oldest_prompt_goes_first_even_where_later_ones_could_share_a_step() -> None:
    jobs = [Job("old", range(20, 60)), Job("b", [1, 2]), Job("c", [3, 4])]

    result = run(Scheduler(8, Batching(chunk_alone=32)), jobs)

    assert rows(result) == [(("old", 32, 0),), (("old", 8, 1),), (("b", 2, 1), ("c", 2, 1))]


def test_a_short_prompt_overtakes_a_long_one_that_began() -> None:
    jobs = [Job("long", range(20, 60)), Job("short", [1, 2, 3], 2, arrives=1)]

    result = run(Scheduler(8, Batching(chunk_alone=10, chunk_beside_decode=10)), jobs)

    assert rows(result) == [
        (("long", 10, 0),),
        (("short", 3, 1),),
        (("short", 1, 1),),
        (("long", 10, 0),),
        (("long", 10, 0),),
        (("long", 10, 1),),
    ]


def test_a_long_prompt_goes_on_every_other_time_however_many_short_ones_come() -> None:
    short = [Job(f"short{at}", [at, at + 1, at + 2], arrives=at) for at in range(1, 9)]

    result = run(Scheduler(8, Batching(chunk_alone=3)), [Job("long", range(100, 112)), *short])

    # Its last chunk is as short as any, and it is the oldest.
    assert [step[0][0] == "long" for step in rows(result)][:7] == [True, False, True, False, True, True, False]


def test_more_sequences_than_slots_are_served_in_order() -> None:
    jobs = [Job(name, [at * 10, at * 10 + 1], num_generated=2) for at, name in enumerate("abcde")]

    result = run(Scheduler(2), jobs)

    assert [name for name, *_ in placements(result)] == list("abcde")
    assert result.ended == list("abcde")


def test_the_slot_least_recently_used_is_taken_once_none_is_empty() -> None:
    jobs = [Job(name, [at * 10, at * 10 + 1, at * 10 + 2], arrives=3 * at) for at, name in enumerate("abcd")]

    result = run(Scheduler(3), jobs)

    assert [slot for _, slot, _, _ in placements(result)] == [0, 1, 2, 0]


def test_reusing_a_prefix_makes_a_slot_recently_used() -> None:
    prompts = {name: [at * 100 + k for k in range(10)] for at, name in enumerate("ab")}
    jobs = [Job("a", prompts["a"]), Job("b", prompts["b"], arrives=3), Job("a2", prompts["a"], arrives=6)]

    result = run(Scheduler(2), [*jobs, Job("c", [1, 2, 3], arrives=9)])

    assert [slot for _, slot, _, _ in placements(result)] == [0, 1, 0, 1]


@pytest.mark.parametrize(("before_step", "computed"), [(0, 0), (1, 1), (2, 2), (4, 4)])
def test_an_abort_frees_the_slot_in_any_phase(before_step: int, computed: int) -> None:
    job = Job("a", range(24), num_generated=50)

    result = run(Scheduler(1, Batching(chunk_alone=8)), [job, Job("b", [90, 91])], aborts={before_step: "a"})

    assert [name for step in rows(result) for name, _, _ in step] == ["a"] * computed + ["b"]
    assert result.scheduler.slots.num_free == 1


def test_an_abort_of_a_waiting_sequence_leaves_the_running_one() -> None:
    result = run(Scheduler(1), [Job("a", [1, 2], 3), Job("b", [3, 4])], aborts={1: "b"})

    assert result.ended == ["b", "a"]


def test_what_an_aborted_prefill_computed_is_reused() -> None:
    jobs = [Job("a", range(24)), Job("again", range(24), arrives=4)]

    result = run(Scheduler(1, Batching(chunk_alone=8)), jobs, aborts={2: "a"})

    assert placements(result)[1] == ("again", 0, 0, 16)


def test_what_a_failed_sequence_left_is_not_reused() -> None:
    scheduler = Scheduler(2)
    result = run(scheduler, [Job("a", SYSTEM)])
    result.add(Job("b", [*SYSTEM, 1, 2], 5))
    result.step("failed")

    result.add(Job("c", [*SYSTEM, 1, 2], 5))
    result.step()

    assert placements(result)[-1] == ("c", 1, 1, 0)


def test_without_fork_a_prefix_is_reused_in_place_only() -> None:
    batching = Batching(can_fork=False)
    jobs = [Job("a", SYSTEM, 9), Job("b", [*SYSTEM, 1, 2], arrives=2), Job("c", [*SYSTEM, 1, 2, 3, 4], arrives=20)]

    result = run(Scheduler(2, batching), jobs)

    assert placements(result) == [("a", 0, 0, 0), ("b", 1, 1, 0), ("c", 1, 1, 32)]


def test_a_backend_that_mixes_rows_decodes_and_prefills_in_the_same_step() -> None:
    jobs = [Job("s", [1, 2], num_generated=4), Job("a", range(10, 16), arrives=1), Job("b", range(20, 25), arrives=1)]

    result = run(Scheduler(4, Batching(mixed=True, chunk_beside_decode=8)), jobs)

    assert rows(result) == [
        (("s", 2, 1),),
        (("s", 1, 1), ("a", 6, 1), ("b", 2, 0)),
        (("s", 1, 1), ("b", 3, 1)),
        (("s", 1, 1),),
    ]


def test_an_interrupted_step_is_computed_again() -> None:
    result = run(Scheduler(1), [])
    result.add(Job("a", [1, 2, 3]))

    result.step("interrupted")
    result.step()

    assert result.steps == [((("a", 0, 0, 0),), (("a", 3, 1),)), ((), (("a", 3, 1),))]
    assert result.ended == ["a"]
