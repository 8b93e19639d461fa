"""How a step is split into runs: values in, values out."""

import numpy as np

from jan_ort_backends import SlotTokens
from jan_ort_onnxruntime.sessions.step_plan import MAX_HOLES, Run, plan_runs


def tokens(slot: int, count: int, num_logits: int = 1) -> SlotTokens:
    return SlotTokens(slot, np.arange(1, count + 1) + 10 * slot, num_logits)


def plan(batch: list[SlotTokens], lengths: list[int]) -> list[Run]:
    return plan_runs(batch, list(range(len(lengths))), lengths, context_length=100)


def test_one_prompt_is_one_run_after_its_past() -> None:
    (run,) = plan([tokens(1, 4, num_logits=2)], [0, 30])

    assert (run.first_row, run.token_ids.tolist(), run.seqlens_k.tolist()) == (1, [[11, 12, 13, 14]], [33])
    assert (run.logits_rows.tolist(), run.output_rows) == ([2, 3], (0, 1))


def test_a_prompt_with_a_last_block_of_one_query_is_two_runs() -> None:
    first, last = plan([tokens(0, 33, num_logits=3)], [30])

    assert (first.token_ids.shape, first.seqlens_k.tolist()) == ((1, 31), [60])
    assert (last.token_ids.tolist(), last.seqlens_k.tolist()) == ([[32, 33]], [62])
    assert (first.logits_rows.tolist(), first.output_rows) == ([30], (0,))
    assert (last.logits_rows.tolist(), last.output_rows) == ([0, 1], (1, 2))


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


def test_sequences_that_share_no_runs_have_one_each() -> None:
    batch = [tokens(0, 1), tokens(1, 3), tokens(2, 1), tokens(3, 3)]
    runs = plan_runs(batch, [0, 1, 2, 3], [4, 0, 6, 0], context_length=100, shares_runs=False)

    assert [(run.first_row, run.token_ids.shape, run.seqlens_k.tolist()) for run in runs] == [
        (0, (1, 1), [4]),
        (2, (1, 1), [6]),
        (1, (1, 3), [2]),
        (3, (1, 3), [2]),
    ]
    assert [run.output_rows for run in runs] == [(0,), (2,), (1,), (3,)]
