"""A model with logits for ids that no token has never says one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from jan_ort.engine.engine import Engine
from jan_ort.engine.row_sampling import within_vocabulary
from jan_ort.sampling.params import SamplingParams
from jan_ort_backends import NUM_TOP_LOGITS, SlotTokens, StepOutput
from jan_ort_backends.reference import ReferenceSession
from jan_ort_backends.reference_transformer import VOCAB_SIZE
from tests.engine.running import ALL, CONTEXT_LENGTH, EOS_TOKEN_ID, TOKENIZER, encode, generate, put_all, twin_generate


class PaddedSession(ReferenceSession):
    """The reference model, with six ids more whose logits are the largest."""

    def __init__(self) -> None:
        super().__init__(8, CONTEXT_LENGTH)
        self.info = replace(self.info, vocab_size=VOCAB_SIZE + 6)

    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        logits = super().run(batch).logits
        padded = np.hstack([logits, np.full((len(logits), 6), 99.0, np.float32)])
        top = np.argsort(-padded, axis=1, kind="stable")[:, :NUM_TOP_LOGITS]
        return StepOutput(padded, np.take_along_axis(padded, top, axis=1), top)


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(24, temperature=0.0),
        SamplingParams(24, temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, seed=3),
        SamplingParams(24, temperature=1.0, seed=4, logprobs=5),
    ],
    ids=["greedy", "whole vocabulary", "logprobs"],
)
def test_what_is_said_is_as_without_the_padding(params: SamplingParams) -> None:
    engine = Engine(
        PaddedSession(),
        capabilities=ALL,
        tokens=TOKENIZER,
        vocab_size=VOCAB_SIZE,
        eos_token_ids=[EOS_TOKEN_ID],
        deliver=put_all,
    )
    engine.start()
    try:
        said = generate(engine, "The river", params)
    finally:
        engine.close()

    assert list(said.token_ids) == twin_generate(encode("The river"), params)[0]
    assert all(token_id < VOCAB_SIZE for entry in said.logprobs for token_id, _ in entry.top)


def test_the_largest_logits_are_kept_where_all_of_them_have_a_token() -> None:
    logits = np.zeros((2, 10), np.float32)
    top = np.zeros((2, 3), np.float32), np.array([[1, 2, 3], [4, 5, 6]])

    kept = within_vocabulary(StepOutput(logits, *top), 8)
    dropped = within_vocabulary(StepOutput(logits, *top), 6)

    assert kept.logits.shape == (2, 8)
    assert kept.top_token_ids is top[1]
    assert (dropped.top_logits, dropped.top_token_ids) == (None, None)
