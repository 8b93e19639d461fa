"""Our float16 graphs on the CPU provider: the same logits at once and token by token, alone and in company."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort_backends import OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.backends.onnxruntime.weight_folders import tiny_llama

TOKEN_IDS = np.random.default_rng(6).integers(0, 256, 24)
TOLERANCE = 0.005
"""Of a row's range: float16 has 11 bits, and products of other sizes are rounded elsewhere."""


@pytest.fixture(params=["fp16", "int4-fp16"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    options = OpenOptions(num_slots=4, extra={"provider": "cpu", "strict": "1"})
    session = OnnxRuntimeBackend().open(tiny_llama(request.param), options)
    yield session
    session.close()


def difference(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(actual - expected).max() / np.ptp(expected))


def test_a_prompt_at_once_equals_the_same_tokens_one_by_one(session: Session) -> None:
    whole = session.step([SlotTokens(0, TOKEN_IDS, 24)]).logits.copy()

    single = [session.step([SlotTokens(1, TOKEN_IDS[i : i + 1])]).logits[0].copy() for i in range(24)]

    assert difference(np.array(single), whole) < TOLERANCE


def test_decoding_in_company_equals_decoding_alone(session: Session) -> None:
    alone = []
    for slot in range(4):
        session.step([SlotTokens(slot, TOKEN_IDS[: 3 + 2 * slot], 0)])
        alone.append(session.step([SlotTokens(slot, TOKEN_IDS[20:21])]).logits[0].copy())
        session.truncate(slot, 3 + 2 * slot)

    together = session.step([SlotTokens(slot, TOKEN_IDS[20:21]) for slot in range(4)]).logits

    assert difference(together, np.array(alone)) < TOLERANCE


def test_first_prompts_padded_to_one_run_equal_those_alone(session: Session) -> None:
    alone = [session.step([SlotTokens(slot, TOKEN_IDS[slot : 12 + slot])]).logits[0].copy() for slot in (0, 1)]
    for slot in (0, 1):
        session.truncate(slot, 0)

    together = session.step([SlotTokens(0, TOKEN_IDS[:12]), SlotTokens(1, TOKEN_IDS[1:13])]).logits

    assert difference(together, np.array(alone)) < TOLERANCE


def test_the_largest_logits_are_those_of_the_row(session: Session) -> None:
    output = session.step([SlotTokens(0, TOKEN_IDS, 3)])
    assert output.top_logits is not None
    assert output.top_token_ids is not None

    assert np.array_equal(output.top_logits, -np.sort(-output.logits, axis=1)[:, : output.top_logits.shape[1]])
    assert np.array_equal(np.take_along_axis(output.logits, output.top_token_ids, axis=1), output.top_logits)
