"""With real weights, to the bit: alone = in company, in chunks, with a cached prefix, as one of several choices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jan_ort.engine.batching import Batching
from jan_ort.engine.engine import Engine
from jan_ort.engine.generation import Prompt
from jan_ort.sampling.params import SamplingParams
from tests.engine.running import WAIT_S, Tokens, events_of, outputs_of, request
from tests.engine.weights import KeptSession, Twin, ask_tokens, generate, joined, num_slots_that_cache, running_weights

pytestmark = pytest.mark.weights

DEFAULTS = SamplingParams(12, seed=7, logprobs=5)
GREEDY = SamplingParams(12, temperature=0.0, repeat_penalty=1.0, logprobs=3)
both = pytest.mark.parametrize("params", [DEFAULTS, GREEDY], ids=["defaults", "greedy"])

STORY = (
    "The river runs past the old mill, where people once ground their corn. In winter it freezes, and children skate "
    "from the bridge to the church. "
)
LONG = STORY * 6
QUESTION = "<|im_start|>user\nName three rivers of Europe.<|im_end|>\n<|im_start|>assistant\n"
FOLLOW_UP = "<|im_end|>\n<|im_start|>user\nWhich is the longest?<|im_end|>\n<|im_start|>assistant\n"
COMPANY = [
    ("Once upon a time", SamplingParams(9, seed=1)),
    (STORY, SamplingParams(24, seed=2, top_k=0, top_p=1.0, min_p=0.0, temperature=1.4)),
    (QUESTION, SamplingParams(17, temperature=0.0, logprobs=2)),
    ("def main():\n", SamplingParams(27, seed=3, repeat_penalty=1.0, logprobs=0)),
    ("1, 2, 3, 4,", SamplingParams(5, seed=4, presence_penalty=-1.0)),
    (STORY[9:] * 3, SamplingParams(22, seed=5, frequency_penalty=1.0, min_tokens=22)),
    ("Why?", SamplingParams(13, seed=6, top_k=3, logprobs=8)),
]


@pytest.fixture(scope="module")
def session(smollm2_folder: Path) -> KeptSession:
    return KeptSession(smollm2_folder)


@pytest.fixture(scope="module")
def twin(smollm2_folder: Path) -> Twin:
    return Twin(smollm2_folder)


def num_cached(engine: Engine, prompt: Tokens, params: SamplingParams, expected: object) -> int:
    """Generate, compare, and return how many tokens of the prompt were found in a slot."""
    asked = ask_tokens(prompt, params)
    engine.submit(asked)
    (output,) = outputs_of(asked)
    assert joined([output]) == expected
    return output.num_cached_tokens


@both
@pytest.mark.parametrize("num_prompt", [1, 2, 3, 150])
def test_alone_it_is_the_twins(session: KeptSession, twin: Twin, num_prompt: int, params: SamplingParams) -> None:
    prompt = twin.encode(LONG)[:num_prompt]

    with running_weights(session, twin) as engine:
        result = generate(engine, prompt, params)

    assert result == twin.generate(prompt, params)
    assert len(result[1]) == len(result[0]) > 0


@both
def test_company_that_joins_and_leaves_changes_nothing(
    session: KeptSession, twin: Twin, params: SamplingParams
) -> None:
    company = [ask_tokens(twin.encode(text), each, stream=True) for text, each in COMPANY]
    asked = ask_tokens(twin.encode(STORY[4:]), params, stream=True)

    with running_weights(session, twin) as engine:
        for each in company[:2]:
            engine.submit(each)
        begun = [company[1].sink.get(timeout=WAIT_S) for _ in range(3)]
        for each in (company[2], asked, company[3]):
            engine.submit(each)
        asked_begun = [asked.sink.get(timeout=WAIT_S) for _ in range(4)]
        for each in company[4:]:
            engine.submit(each)
        results = [joined([*(begun if each is company[1] else []), *events_of(each)]) for each in company]
        result = joined([*asked_begun, *events_of(asked)])

    assert result == twin.generate(asked.prompts[0].token_ids, params)
    assert results == [twin.generate(each.prompts[0].token_ids, each.prompts[0].params) for each in company]


@both
@pytest.mark.parametrize("chunk", [2, 3, 65])
def test_small_chunks_change_nothing(session: KeptSession, twin: Twin, chunk: int, params: SamplingParams) -> None:
    prompt = twin.encode(STORY * 2 + "One day")

    with running_weights(session, twin, batching=Batching(chunk_alone=chunk)) as engine:
        result = generate(engine, prompt, params)

    assert result == twin.generate(prompt, params)


@both
def test_a_long_prompt_beside_a_stream_changes_neither(
    session: KeptSession, twin: Twin, params: SamplingParams
) -> None:
    company = ask_tokens(twin.encode("Hello"), SamplingParams(60, seed=8, min_tokens=60, logprobs=1), stream=True)
    prompt = twin.encode(LONG)

    with running_weights(session, twin) as engine:
        engine.submit(company)
        begun = company.sink.get(timeout=WAIT_S)
        result = generate(engine, prompt, params)
        beside = joined([begun, *events_of(company)])

    assert result == twin.generate(prompt, params)
    assert beside == twin.generate(company.prompts[0].token_ids, company.prompts[0].params)


@both
def test_a_prefix_cached_in_place_changes_nothing(session: KeptSession, twin: Twin, params: SamplingParams) -> None:
    prompt = twin.encode(LONG)
    longer = np.concatenate([prompt, twin.encode(" Then came the war.")])
    expected, expected_longer = twin.generate(prompt, params), twin.generate(longer, params)

    with running_weights(session, twin) as engine:
        found = [num_cached(engine, prompt, params, expected) for _ in range(2)]
        found.append(num_cached(engine, longer, params, expected_longer))

        assert num_slots_that_cache(engine) == 1

    assert found == [0, len(prompt) - 2, len(prompt)]


@both
def test_a_prefix_copied_from_another_slot_changes_nothing(
    session: KeptSession, twin: Twin, params: SamplingParams
) -> None:
    prompt = twin.encode(LONG)
    others = [np.concatenate([prompt[:length], twin.encode(" Then came the war.")]) for length in (2, 33, 130)]

    with running_weights(session, twin) as engine:
        generate(engine, prompt, params)
        found = [num_cached(engine, other, params, twin.generate(other, params)) for other in others]

        assert num_slots_that_cache(engine) == 4
        assert num_cached(engine, prompt, params, twin.generate(prompt, params)) == len(prompt) - 2

    assert found == [2, 33, 130]


@both
def test_a_prefix_copied_from_a_running_stream_changes_neither(
    session: KeptSession, twin: Twin, params: SamplingParams
) -> None:
    prompt = twin.encode(LONG)
    company = ask_tokens(prompt, SamplingParams(50, seed=9, min_tokens=50, logprobs=1), stream=True)

    with running_weights(session, twin) as engine:
        engine.submit(company)
        begun = company.sink.get(timeout=WAIT_S)
        found = num_cached(engine, prompt, params, twin.generate(prompt, params))
        beside = joined([begun, *events_of(company)])

    assert found == len(prompt) - 2
    assert beside == twin.generate(prompt, company.prompts[0].params)


@both
def test_the_second_turn_of_a_chat_equals_one_on_a_fresh_engine(
    session: KeptSession, twin: Twin, params: SamplingParams
) -> None:
    first = twin.encode(QUESTION)

    with running_weights(session, twin) as engine:
        answer, _ = generate(engine, first, params)
        second = np.concatenate([first, answer, twin.encode(FOLLOW_UP)])
        found = num_cached(engine, second, params, twin.generate(second, params))
        assert num_cached(engine, second, params, twin.generate(second, params)) == len(second) - 2
    with running_weights(session, twin) as engine:
        assert num_cached(engine, second, params, twin.generate(second, params)) == 0

    assert found == len(first)  # what decode computed of the answer is computed anew


@both
@pytest.mark.parametrize("text", [STORY, "Hello"], ids=["long", "one token"])
def test_choices_of_one_prompt_equal_each_alone(
    session: KeptSession, twin: Twin, text: str, params: SamplingParams
) -> None:
    prompt = twin.encode(text)
    asked = request(*(Prompt(prompt, choice, params, choice=choice) for choice in range(4)))

    with running_weights(session, twin) as engine:
        engine.submit(asked)
        results = [joined([output]) for output in outputs_of(asked)]

    assert results == [twin.generate(prompt, params, choice=choice) for choice in range(4)]


def test_many_first_prompts_at_once_change_nothing(session: KeptSession, twin: Twin) -> None:
    prompts = [twin.encode(STORY[at:])[: 5 + at % 4] for at in range(0, 48, 4)]
    asked = [ask_tokens(prompt, DEFAULTS) for prompt in prompts]

    with running_weights(session, twin) as engine:
        for each in asked:
            engine.submit(each)
        results = [joined(events_of(each)) for each in asked]

    assert results == [twin.generate(prompt, DEFAULTS) for prompt in prompts]


def test_a_sequence_that_is_set_aside_has_the_same_tokens(smollm2_folder: Path, twin: Twin) -> None:
    prompt, params = twin.encode(QUESTION), SamplingParams(30, seed=7, min_tokens=30, logprobs=2)
    large = request(*(Prompt(prompt, choice, params, choice=choice) for choice in range(6)))
    small = [ask_tokens(twin.encode(f"One {at}"), SamplingParams(3, seed=at, min_tokens=3)) for at in range(6)]

    with running_weights(KeptSession(smollm2_folder, num_slots=2), twin) as engine:
        engine.submit(large)
        for each in small:
            engine.submit(each)
            events_of(each)
        found = [joined([output]) for output in outputs_of(large)]

    assert engine.statistics.num_set_aside >= 3
    assert found == [twin.generate(prompt, params, choice=choice) for choice in range(6)]
