"""The slot table: prefix lengths against loops, and which slot a prompt is given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jan_ort.engine.slots import Placement, SlotTable, common_prefix_length, reusable_length

token_lists = st.lists(st.integers(0, 1), max_size=8)


def tokens(*token_ids: int) -> NDArray[np.int64]:
    return np.array(token_ids, dtype=np.int64)


def filled(*cached: tuple[int, ...], can_fork: bool = True) -> SlotTable:
    """Return a table whose slots cache these tokens, slot 0 the least recently used."""
    table = SlotTable(len(cached), can_fork=can_fork)
    for index, token_ids in enumerate(cached):
        table.hold(Placement(index, index, 0), index)
        table.extend(index, tokens(*token_ids))
        table.release(index)
    return table


@given(left=token_lists, right=token_lists)
def test_common_prefix_length_counts_leading_equal_tokens(left: list[int], right: list[int]) -> None:
    expected = 0
    while expected < min(len(left), len(right)) and left[expected] == right[expected]:
        expected += 1

    assert common_prefix_length(tokens(*left), tokens(*right)) == expected


@given(prompt=token_lists.filter(bool), cached=token_lists)
def test_what_is_reusable_leaves_two_tokens_to_compute(prompt: list[int], cached: list[int]) -> None:
    length = reusable_length(tokens(*prompt), tokens(*cached))

    assert prompt[:length] == cached[:length]
    assert length == 0 or len(prompt) - length >= 2


@pytest.mark.parametrize(
    ("cached", "prompt", "placement"),
    [
        (((1, 2, 3), ()), (7, 8, 9), Placement(1, 1, 0)),  # an empty slot before one that caches something
        (((1, 2, 3), (4, 5, 6)), (7, 8, 9), Placement(0, 0, 0)),  # the least recently used
        (((1, 2, 3), (1, 2, 3, 4)), (1, 2, 3, 4, 5, 6), Placement(1, 1, 4)),  # the longest prefix, continued
        (((1, 2, 3, 4, 5, 6), (9, 9)), (1, 2, 8, 8), Placement(0, 0, 2)),  # the donor is the one that must go
        (((9, 9), (1, 2, 3, 4, 5, 6)), (1, 2, 8, 8), Placement(0, 1, 2)),  # a copy leaves the donor's rest
        (((9, 9), (1, 2, 3, 4, 5, 6)), (1, 2, 3, 4), Placement(0, 1, 2)),  # also for a prompt that is all in it
        (((9, 9), (1, 2, 3, 4, 5, 6)), (1, 2, 3, 4, 5, 6), Placement(1, 1, 4)),  # the same prompt again
        (((1, 2, 3), (1, 2, 3)), (1, 2, 3, 4, 5), Placement(1, 1, 3)),  # of equals the most recently used
    ],
)
def test_placements(cached: tuple[tuple[int, ...], ...], prompt: tuple[int, ...], placement: Placement) -> None:
    assert filled(*cached).place(tokens(*prompt)) == placement


def test_lending_a_prefix_makes_a_slot_recently_used() -> None:
    table = filled((9, 9), (1, 2, 3, 4, 5, 6), (8, 8))
    table.hold(Placement(0, 1, 2), owner=5)

    assert table.place(tokens(7, 7)) == Placement(2, 2, 0)


def test_a_prompt_that_wants_its_logits_reuses_nothing() -> None:
    table = filled((1, 2, 3), (4, 5))

    assert table.place(tokens(4, 5, 6, 7), reuse=False) == Placement(0, 0, 0)


def test_without_a_free_slot_there_is_no_placement() -> None:
    table = SlotTable(1, can_fork=True)
    table.hold(Placement(0, 0, 0), owner=5)

    assert table.place(tokens(1, 2)) is None
    assert table.num_free == 0


def test_a_held_slot_lends_its_prefix() -> None:
    table = filled((1, 2, 3, 4), ())
    table.hold(Placement(0, 0, 4), owner=5)

    assert table.place(tokens(1, 2, 3, 4, 5, 6)) == Placement(1, 0, 4)


def test_without_fork_only_a_free_slot_lends_its_prefix() -> None:
    table = filled((1, 2, 3, 4), (), can_fork=False)
    table.hold(Placement(0, 0, 4), owner=5)

    assert table.place(tokens(1, 2, 3, 4, 5, 6)) == Placement(1, 1, 0)


def test_clear_forgets_what_is_cached_and_held() -> None:
    table = filled((1, 2, 3, 4))
    table.hold(Placement(0, 0, 4), owner=5)

    table.clear()

    assert table.place(tokens(1, 2, 3, 4, 5, 6)) == Placement(0, 0, 0)
