"""Over a session that is cut at checkpoints only, a cached prefix is one up to a checkpoint, and changes no token."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jan_ort.engine.generation import Prompt
from jan_ort.sampling.params import SamplingParams
from jan_ort_backends.reference import ReferenceSession
from tests.engine.running import CHUNKED, CONTEXT_LENGTH, encode, generate, outputs_of, request, running, twin_generate

LONG = "The server reads a question and writes an answer." + " It is a good answer." * 12
PARAMS = SamplingParams(10, seed=9)


class CheckpointedSession(ReferenceSession):
    """Refuses to be cut anywhere else."""

    def __init__(self, num_checkpoints: int, num_slots: int = 4) -> None:
        super().__init__(num_slots, CONTEXT_LENGTH)
        self.info = replace(self.info, num_checkpoints=num_checkpoints)


def test_a_prompt_is_kept_just_before_its_end() -> None:
    texts = (LONG, LONG, LONG + " Then people walk", "Then people walk. " + LONG)

    with running(CheckpointedSession(2), capabilities=CHUNKED) as engine:
        outputs = [generate(engine, text, PARAMS) for text in texts]

    kept = len(encode(LONG)) - 2
    assert [output.num_cached_tokens for output in outputs] == [0, kept, kept, 0]
    assert [list(output.token_ids) for output in outputs] == [twin_generate(encode(text), PARAMS)[0] for text in texts]


def test_a_chat_goes_on_from_its_last_turn() -> None:
    with running(CheckpointedSession(1), capabilities=CHUNKED) as engine:
        text, cached = LONG, []
        for _ in range(3):
            output = generate(engine, text, PARAMS)
            cached.append((output.num_cached_tokens, len(encode(text)) - 2))
            text += output.text + " And then? " + LONG

    assert [found for found, _ in cached] == [0, *(kept for _, kept in cached[:-1])]


def test_choices_of_a_prompt_wait_for_its_checkpoint() -> None:
    prompt = encode(LONG)
    asked = request(*(Prompt(prompt, index, PARAMS, choice=index) for index in range(4)))

    with running(CheckpointedSession(1), capabilities=CHUNKED) as engine:
        engine.submit(asked)
        outputs = outputs_of(asked)

    assert [output.num_cached_tokens for output in outputs] == [0, *[len(prompt) - 2] * 3]
    assert [list(output.token_ids) for output in outputs] == [
        twin_generate(prompt, PARAMS, choice=choice)[0] for choice in range(4)
    ]


@pytest.mark.parametrize(("num_checkpoints", "text"), [(0, LONG), (2, LONG[:40])])
def test_what_is_not_kept_is_computed_again(num_checkpoints: int, text: str) -> None:
    with running(CheckpointedSession(num_checkpoints), capabilities=CHUNKED) as engine:
        outputs = [generate(engine, text, PARAMS) for _ in range(3)]

    assert [output.num_cached_tokens for output in outputs] == [0, 0, 0]
    assert {output.token_ids for output in outputs} == {tuple(twin_generate(encode(text), PARAMS)[0])}


def test_a_prefix_that_ends_within_a_chunk_is_reused_up_to_the_chunk_before() -> None:
    session = CheckpointedSession(4)
    branch = LONG[: -len(" It is a good answer.")]

    with running(session, capabilities=CHUNKED, prefill_step_s=0.0) as engine:  # chunks of 64
        generate(engine, LONG, PARAMS)
        output = generate(engine, branch + " and so on", PARAMS)

    assert output.num_cached_tokens == 64
    assert list(output.token_ids) == twin_generate(encode(branch + " and so on"), PARAMS)[0]
