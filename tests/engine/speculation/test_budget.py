"""Drafts are tried while a sequence has little to lose by them, and priced by what calls have taken."""

from __future__ import annotations

import pytest

from jan_ort.engine.speculation.budget import MOST_CREDIT, SHARE, STAKES, Budget
from jan_ort.engine.speculation.call_times import ASSUMED_SLOPE, CallTimes


def test_a_sequence_may_lose_its_stake_and_a_share_of_its_tokens() -> None:
    budget = Budget()
    before = budget.left(1, 0)
    budget.note(1, 1.75, 1)

    assert before == STAKES[1]
    assert budget.left(1, 100) == pytest.approx(STAKES[1] - 0.75 + 100 * SHARE)


def test_a_gain_may_be_lost_again_up_to_a_bound() -> None:
    budget = Budget()
    budget.left(1, 0)
    budget.note(1, 2.0, 4)
    after_one = budget.left(1, 0)
    for _ in range(9):
        budget.note(1, 2.0, 4)

    assert (after_one, budget.left(1, 0)) == (STAKES[1] + 2.0, STAKES[1] + MOST_CREDIT)


def test_after_sequences_that_lost_the_next_ones_have_less_to_lose() -> None:
    budget, stakes = Budget(), []
    for sequence_id, num_taken in enumerate([1, 1, 1, 3, 1]):
        stakes.append(budget.left(sequence_id, 0))
        budget.note(sequence_id, 2.0, num_taken)
        budget.end(sequence_id)

    assert stakes == [2.0, 1.0, 0.5, 0.25, 2.0]


def test_what_has_ended_has_no_account_any_more() -> None:
    budget = Budget()
    budget.left(1, 0)
    budget.end(1)
    budget.note(1, 2.0, 1)

    assert not budget._accounts


def test_a_call_is_priced_by_what_such_calls_took_and_until_then_by_the_plain_one() -> None:
    times = CallTimes()
    unknown = times.of(1, 1)
    times.note(1, 1, 0.01)
    assumed = times.of(1, 5)
    for _ in range(40):
        times.note(1, 5, 0.03)

    assert unknown is None
    assert assumed == pytest.approx(0.01 * (1 + 4 * ASSUMED_SLOPE))
    assert times.of(1, 5) == pytest.approx(0.03, rel=0.11)
    assert times.of(2, 2) is None


def test_one_row_is_taken_for_no_slower_than_several() -> None:
    times = CallTimes()
    times.note(4, 4, 0.02)

    assert times.of(1, 1) == 0.02


def test_an_outlier_moves_a_figure_by_a_tenth() -> None:
    times = CallTimes()
    times.note(1, 1, 0.01)
    times.note(1, 1, 5.0)

    assert times.of(1, 1) == pytest.approx(0.011)
