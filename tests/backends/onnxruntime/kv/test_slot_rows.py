"""Which rows of the KV cache slots are given: values in, values out."""

import pytest

from jan_ort_onnxruntime.kv.slot_rows import TOKENS_PER_HOLE, SlotRows


@pytest.mark.parametrize(
    ("lengths", "slots", "expected"),
    [
        ([0, 0, 0, 0], [3], {3: 0}),
        ([5, 0, 7, 0], [3, 1], {3: 1, 1: 3}),
        ([5, 0, 7, 0, 0], [1, 4], {1: 3, 4: 4}),
        ([5, 6, 7, 0], [1, 3], {1: 1, 3: 3}),
    ],
)
def test_starting_slots_get_the_lowest_rows_that_lie_together(
    lengths: list[int], slots: list[int], expected: dict[int, int]
) -> None:
    rows = SlotRows(len(lengths))

    rows.place(slots, lengths)

    assert {slot: rows.rows[slot] for slot in slots} == expected
    assert sorted(rows.rows) == list(range(len(lengths)))
    assert all(rows.rows[slot] == slot for slot, length in enumerate(lengths) if length)


def gather(rows: SlotRows, slots: list[int], lengths: list[int]) -> list[tuple[int, int]]:
    swaps = rows.gather(slots, lengths)
    for first, second in swaps:
        rows.exchange(first, second)
    return swaps


def test_slots_that_decode_together_are_gathered_once_the_holes_cost_more_than_the_move() -> None:
    rows, lengths = SlotRows(5), [50, 10, 10, 10, 50]

    swaps = [gather(rows, [0, 4], lengths) for _ in range(3)]

    assert swaps == [[(4, 1)], [], []]
    assert rows.rows == [0, 4, 2, 3, 1]


def test_long_sequences_are_moved_later() -> None:
    rows, lengths = SlotRows(3), [500, 0, 400]

    num_steps = next(step for step in range(1, 100) if gather(rows, [0, 2], lengths))

    assert num_steps == 400 // TOKENS_PER_HOLE + 1
    assert rows.rows == [0, 2, 1]


def test_slots_keep_their_rows_until_the_contents_were_swapped() -> None:
    rows = SlotRows(5)

    swaps = rows.gather([0, 4], [50, 10, 10, 10, 50])

    assert swaps == [(4, 1)]
    assert rows.rows == [0, 1, 2, 3, 4]


def test_adjacent_rows_are_never_moved() -> None:
    rows = SlotRows(4)

    assert [rows.gather([2, 1], [9, 9, 9, 9]) for _ in range(20)] == [[]] * 20
