"""Top logits: the row's own largest logits, in order, with ties by token id."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Capability, SlotTokens, StepOutput
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.fixture import Fixture
from jan_ort_conformance.verdicts.verdict import Level, Lie, expect

NEEDS = (Capability.GENERATE, Capability.TOP_LOGITS)


@check("top_logits.form", *NEEDS)
def form(fixture: Fixture) -> str:
    """They are float32 and int64 arrays of shape (rows, k), with the same k at every step, also for no rows."""
    widths = set()
    for num_tokens, num_logits in ((9, 4), (5, 0), (1, 1)):
        output = fixture.writer.output(0, num_tokens, num_logits)
        top_logits, top_token_ids = _there(output)
        expect(top_logits.dtype == np.float32, f"top_logits has the dtype {top_logits.dtype}")
        expect(top_token_ids.dtype == np.int64, f"top_token_ids has the dtype {top_token_ids.dtype}")
        expect(top_logits.shape == top_token_ids.shape, f"the shapes are {top_logits.shape} and {top_token_ids.shape}")
        expect(
            top_logits.ndim == 2 and len(top_logits) == num_logits,
            f"{num_logits} rows have the shape {top_logits.shape}",
        )
        widths.add(top_logits.shape[1])
    expect(len(widths) == 1 and min(widths) >= 1, f"k is {sorted(widths)} in one session")
    return f"k = {min(widths)}"


@check("top_logits.are_the_largest_in_order", *NEEDS)
def are_the_largest_in_order(fixture: Fixture) -> None:
    """They equal the row's k largest logits in descending order, ties by ascending token id."""
    _expect_sorted(fixture.writer.output(0, 40, 40), "a prompt")
    _expect_sorted(fixture.writer.output(0, 1), "one decoded token")


@check("top_logits.in_batch_order", *NEEDS)
def in_batch_order(fixture: Fixture) -> None:
    """They are those of their own row also where several slots share a step."""
    text = fixture.writer.text
    rows = [SlotTokens(slot, text[:length], count) for slot, length, count in ((4, 30, 2), (0, 5, 1), (2, 12, 3))]
    _expect_sorted(fixture.session.step(rows), "three first prompts")
    decoding = [SlotTokens(slot, text[length : length + 1]) for slot, length in ((2, 12), (4, 30), (0, 5))]
    _expect_sorted(fixture.session.step(decoding), "three decoded tokens")


@check("top_logits.of_many_rows", *NEEDS, level=Level.FULL)
def of_many_rows(fixture: Fixture) -> None:
    """Each of 136 rows of one step, the 65th and the 129th too, has its own largest logits."""
    text = fixture.writer.text
    output = fixture.session.step([SlotTokens(0, text[:70], 70), SlotTokens(1, text[-66:], 66)])
    top_logits, top_token_ids = _there(output)
    k = top_logits.shape[1]
    # Sorting whole rows, as for ties by token id, takes too long for so many of them.
    largest = -np.sort(np.partition(-output.logits, k - 1, axis=1)[:, :k], axis=1)
    at_their_ids = np.take_along_axis(output.logits, top_token_ids, axis=1)
    for values, what in ((top_logits, "top_logits"), (at_their_ids, "the logits at top_token_ids")):
        expect(values.shape == largest.shape, f"{what} of {len(largest)} rows have the shape {values.shape}")
        wrong = np.flatnonzero((values != largest).any(axis=1))
        expect(not len(wrong), f"{what} are not the {k} largest in {len(wrong)} of {len(largest)} rows: {wrong[:3]}")


def _expect_sorted(output: StepOutput, what: str) -> None:
    top_logits, top_token_ids = _there(output)
    k = top_logits.shape[1]
    token_ids = np.argsort(-output.logits, axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(output.logits, token_ids, axis=1)
    expect(np.array_equal(top_logits, values), f"top_logits of {what} are not the row's {k} largest in order")
    wrong = np.argwhere(top_token_ids != token_ids)
    if len(wrong):
        row, rank = (int(number) for number in wrong[0])
        seen = f"token {top_token_ids[row, rank]} is at rank {rank} of row {row}, not {token_ids[row, rank]}"
        expect(False, f"top_token_ids of {what}: {seen}")


def _there(output: StepOutput) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if output.top_logits is None or output.top_token_ids is None:
        raise Lie("top_logits is declared, and step returned none")
    return output.top_logits, output.top_token_ids
