"""Whole schedules in which prompts share a prefix: reused in place, copied, or waited for."""

from __future__ import annotations

from jan_ort.engine.batching import Batching
from jan_ort.engine.scheduler import MIN_SHARED_GAIN, Scheduler
from tests.engine.schedules import Job, placements, rows, run

SYSTEM = list(range(100, 130))
"""A prefix that several prompts share."""


def test_a_prompt_that_goes_on_from_a_finished_one_keeps_its_slot() -> None:
    turns = [Job("first", SYSTEM, 3), Job("second", [*SYSTEM, 1, 2, 3], 1, arrives=5)]

    result = run(Scheduler(4), turns)

    assert placements(result) == [("first", 0, 0, 0), ("second", 0, 0, 30)]
    assert rows(result)[-1] == (("second", 3, 1),)


def test_the_same_prompt_again_computes_its_last_two_tokens() -> None:
    result = run(Scheduler(4), [Job("first", SYSTEM), Job("again", SYSTEM, arrives=3)])

    assert result.steps[-1] == ((("again", 0, 0, 28),), (("again", 2, 1),))


def test_a_prompt_that_shares_only_a_beginning_copies_it_and_leaves_the_rest() -> None:
    jobs = [Job("a", [*SYSTEM, *range(10)]), Job("b", [*SYSTEM, 50, 51, 52], arrives=3)]

    result = run(Scheduler(4), [*jobs, Job("a2", [*SYSTEM, *range(12)], arrives=6)])

    assert placements(result) == [("a", 0, 0, 0), ("b", 1, 0, 30), ("a2", 0, 0, 40)]


def test_a_prefix_is_copied_from_a_slot_that_is_still_generating() -> None:
    result = run(Scheduler(2), [Job("a", SYSTEM, 9), Job("b", [*SYSTEM, 1, 2, 3], arrives=4)])

    assert placements(result) == [("a", 0, 0, 0), ("b", 1, 0, 30)]


def test_choices_of_one_prompt_wait_for_its_prefill_and_copy_it() -> None:
    result = run(Scheduler(4, Batching(chunk_alone=32)), [Job(f"n{at}", range(60), 2) for at in range(3)])

    assert [(name, length) for name, _, _, length in placements(result)] == [("n0", 0), ("n1", 58), ("n2", 58)]
    assert rows(result) == [
        (("n0", 32, 0),),
        (("n0", 28, 1),),
        (("n0", 1, 1),),
        (("n1", 2, 1),),
        (("n1", 1, 1),),
        (("n2", 2, 1),),
        (("n2", 1, 1),),
    ]


def test_choices_of_a_short_prompt_do_not_wait() -> None:
    result = run(Scheduler(4), [Job(f"n{at}", SYSTEM[: MIN_SHARED_GAIN + 1]) for at in range(3)])

    assert len(result.steps) == 1


def test_an_unrelated_prompt_does_not_wait_behind_one_that_does() -> None:
    jobs = [Job("n0", SYSTEM), Job("n1", SYSTEM), Job("other", [1, 2, 3])]

    result = run(Scheduler(4), jobs)

    assert [name for name, *_ in placements(result)] == ["n0", "other", "n1"]


def test_followers_do_not_wait_for_a_leader_that_was_aborted() -> None:
    jobs = [Job("n0", SYSTEM), Job("n1", SYSTEM)]

    result = run(Scheduler(4, Batching(chunk_alone=8)), jobs, aborts={1: "n0"})

    assert placements(result) == [("n0", 0, 0, 0), ("n1", 0, 0, 8)]
    assert sorted(result.ended) == ["n0", "n1"]


def test_prompt_logits_are_computed_for_every_position_in_small_chunks() -> None:
    jobs = [Job("a", SYSTEM), Job("b", SYSTEM, prompt_logits=True, arrives=3)]

    result = run(Scheduler(4, Batching(chunk_with_logits=12)), jobs)

    assert placements(result)[1][3] == 0
    assert rows(result)[1:] == [(("b", 12, 12),), (("b", 12, 12),), (("b", 6, 6),)]
