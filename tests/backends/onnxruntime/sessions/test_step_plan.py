"""How a step is split into runs, and which rows of the KV cache slots are given: values in, values out."""

import numpy as np
import pytest

from jan_ort_backends import SlotTokens
from jan_ort_onnxruntime.kv.slot_rows import TOKENS_PER_HOLE, SlotRows
from jan_ort_onnxruntime.sessions.step_plan import MAX_HOLES, Run, plan_runs


def tokens(slot: int, count: int, num_logits: int = 1) -> SlotTokens:
    return SlotTokens(slot, np.arange(1, count + 1) + 10 * slot, num_logits)


def plan(batch: list[SlotTokens], lengths: list[int]) -> list[Run]:
    return plan_runs(batch, list(range(len(lengths))), lengths, context_length=100)


def test_one_prompt_is_one_run_after_its_past() -> None:
    (run,) = plan([tokens(1, 4, num_logits=2)], [0, 30])

    assert (run.first_row, run.token_ids.tolist(), run.seqlens_k.tolist()) == (1, [[11, 12, 13, 14]], [33])
    assert (run.logits_rows.tolist(), run.output_rows) == ([2, 3], (0, 1))


def test_decodes_share_a_run_whose_holes_write_past_their_own_content() -> None:
    (run,) = plan([tokens(2, 1), tokens(0, 1)], [5, 6, 7, 8])

    assert (run.first_row, run.token_ids.tolist(), run.seqlens_k.tolist()) == (0, [[1], [0], [21]], [5, 6, 7])
    assert (run.logits_rows.tolist(), run.output_rows) == ([0, 2], (1, 0))


def test_a_full_hole_is_written_within_its_row() -> None:
    (run,) = plan([tokens(0, 1), tokens(2, 1)], [5, 100, 7])

    assert run.seqlens_k.tolist() == [5, 99, 7]


def test_decodes_that_lie_far_apart_run_separately() -> None:
    far = MAX_HOLES + 2
    runs = plan([tokens(0, 1), tokens(far, 1)], [1] * (far + 1))

    assert [(run.first_row, len(run.token_ids)) for run in runs] == [(0, 1), (far, 1)]


def test_first_prompts_of_similar_length_are_padded_on_the_right() -> None:
    (run,) = plan([tokens(0, 3), tokens(1, 4, num_logits=2)], [0, 0])

    assert run.token_ids.tolist() == [[1, 2, 3, 0], [11, 12, 13, 14]]
    assert (run.seqlens_k.tolist(), run.logits_rows.tolist()) == ([2, 3], [2, 6, 7])


def test_first_prompts_of_unlike_length_or_without_neighbours_run_separately() -> None:
    unlike = plan([tokens(0, 3), tokens(1, 9)], [0, 0])
    apart = plan([tokens(0, 3), tokens(2, 3)], [0, 0, 0])

    assert [run.token_ids.shape for run in unlike] == [(1, 3), (1, 9)]
    assert [run.token_ids.shape for run in apart] == [(1, 3), (1, 3)]


def test_a_first_prompt_of_one_token_is_a_decode() -> None:
    decode, prompt = plan([tokens(0, 1), tokens(1, 2)], [0, 0])

    assert (decode.token_ids.shape, prompt.token_ids.shape) == ((1, 1), (1, 2))
    assert decode.output_rows + prompt.output_rows == (0, 1)


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
