"""The same seed gives the same tokens: alone, in company, with a cached prefix, in chunks; and the twin's tokens."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from jan_ort.engine.generation import Prompt
from jan_ort.sampling.params import SamplingParams
from jan_ort_backends import Capability
from tests.engine.running import (
    ALL,
    CHUNKED,
    PLAIN,
    ask,
    encode,
    generate,
    outputs_of,
    request,
    running,
    twin_generate,
)

MIXED_PARAMS = [
    SamplingParams(12, temperature=0.0),
    SamplingParams(20, seed=1),
    SamplingParams(14, seed=2, top_k=0, top_p=1.0, min_p=0.0, temperature=1.3),
    SamplingParams(16, seed=3, presence_penalty=-1.0, repeat_penalty=1.0),
    SamplingParams(18, seed=4, frequency_penalty=1.5, min_tokens=18),
    SamplingParams(1, seed=5),
    SamplingParams(15, seed=2**70, top_k=3),
    SamplingParams(11, seed=-1, repeat_penalty=0.5),
]
TEXTS = ["Hello", "The river", "a", "def f(x):", "1 2 3", "Why?", "x" * 40, "The river runs"]
LONG = "The server reads a question and writes an answer." + " It is a good answer." * 9

modes = pytest.mark.parametrize("capabilities", [ALL, CHUNKED, PLAIN], ids=["mixed", "chunked", "no-fork"])


@pytest.mark.parametrize(("text", "params"), list(zip(TEXTS, MIXED_PARAMS, strict=True)))
def test_a_request_alone_gets_the_twins_tokens(text: str, params: SamplingParams) -> None:
    with running() as engine:
        output = generate(engine, text, params)

    assert (list(output.token_ids), output.finish_reason) == twin_generate(encode(text), params)


@modes
def test_eight_requests_in_company_get_the_tokens_they_get_alone(capabilities: Collection[Capability]) -> None:
    asked = [ask(text, params) for text, params in zip(TEXTS, MIXED_PARAMS, strict=True)]

    with running(capabilities=capabilities) as engine:
        for each in asked:
            engine.submit(each)
        company = [list(outputs_of(each)[0].token_ids) for each in asked]

    assert company == [twin_generate(each.prompts[0].token_ids, each.prompts[0].params)[0] for each in asked]


@modes
def test_a_cached_prefix_changes_no_token(capabilities: Collection[Capability]) -> None:
    params = SamplingParams(10, seed=9)

    with running(capabilities=capabilities) as engine:
        outputs = [generate(engine, text, params) for text in (LONG, LONG, LONG + " Then people walk")]

    num_prompt = len(encode(LONG))
    assert [output.num_cached_tokens for output in outputs] == [0, num_prompt - 2, num_prompt]
    expected = [twin_generate(encode(text), params)[0] for text in (LONG, LONG, LONG + " Then people walk")]
    assert [list(output.token_ids) for output in outputs] == expected


@modes
def test_a_prompt_in_chunks_beside_a_stream_gets_the_same_tokens(capabilities: Collection[Capability]) -> None:
    params = SamplingParams(8, seed=10)
    company = ask("Hello", SamplingParams(400, seed=11, min_tokens=400), stream=True)

    with running(capabilities=capabilities) as engine:
        engine.submit(company)
        company.sink.get(timeout=20)  # it decodes now
        output = generate(engine, LONG, params)
        engine.abort(company.id)

    assert len(encode(LONG)) > 64
    assert list(output.token_ids) == twin_generate(encode(LONG), params)[0]


@pytest.mark.parametrize("capabilities", [ALL, CHUNKED], ids=["mixed", "chunked"])
@pytest.mark.parametrize("prefill_step_s", [0.0, 0.002, 0.02])
def test_chunks_cut_by_time_change_no_token(prefill_step_s: float, capabilities: Collection[Capability]) -> None:
    params = SamplingParams(8, seed=13)
    texts = [LONG + LONG, LONG + "Why?", "The river"]
    asked = [ask(text, params) for text in texts]

    with running(capabilities=capabilities, prefill_step_s=prefill_step_s) as engine:
        for each in asked:
            engine.submit(each)
        tokens = [list(outputs_of(each)[0].token_ids) for each in asked]

    assert tokens == [twin_generate(encode(text), params)[0] for text in texts]


@modes
def test_choices_of_one_prompt_draw_for_themselves(capabilities: Collection[Capability]) -> None:
    params = SamplingParams(10, seed=12, temperature=1.5)
    prompt = encode("The river runs along the old garden and the people")
    asked = request(*(Prompt(prompt, index, params, choice=index) for index in range(4)))

    with running(capabilities=capabilities) as engine:
        engine.submit(asked)
        choices = [list(output.token_ids) for output in outputs_of(asked)]

    assert choices == [twin_generate(prompt, params, choice=choice)[0] for choice in range(4)]
    assert len({tuple(choice) for choice in choices}) == 4


def test_more_requests_than_slots_all_get_their_tokens() -> None:
    asked = [ask(text, SamplingParams(6, seed=at)) for at, text in enumerate(TEXTS * 3)]

    with running() as engine:
        for each in asked:
            engine.submit(each)
        tokens = [list(outputs_of(each)[0].token_ids) for each in asked]

    assert tokens == [twin_generate(each.prompts[0].token_ids, each.prompts[0].params)[0] for each in asked]
