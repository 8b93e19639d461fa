"""What a running engine delivers: events, text, stop strings, limits and log-probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from jan_ort.engine.engine_errors import QueueFull
from jan_ort.engine.events import TokenLogprobs
from jan_ort.engine.generation import Prompt
from jan_ort.sampling.params import SamplingParams
from tests.engine.running import (
    ALL,
    CHUNKED,
    TOKENIZER,
    HeldSession,
    ask,
    encode,
    events_of,
    generate,
    log_softmax_rows,
    outputs_of,
    request,
    running,
    twin_generate,
    wait_until,
)

GREEDY = SamplingParams(24, temperature=0.0)
TEXT = "The river"


def twin_text(params: SamplingParams = GREEDY) -> str:
    return TOKENIZER.decode(twin_generate(encode(TEXT), params)[0])


def check_logprobs(logprobs: tuple[TokenLogprobs, ...], token_ids: list[int], prompt: list[int], num_top: int) -> None:
    """Compare the log-probabilities of ``token_ids`` after ``prompt`` with those of one direct run."""
    direct = log_softmax_rows(np.array([*prompt, *token_ids]))[len(prompt) - 1 : -1]
    assert [entry.token_id for entry in logprobs] == token_ids
    for entry, row in zip(logprobs, direct, strict=True):
        best = np.argsort(-row, kind="stable")[:num_top]
        assert entry.logprob == pytest.approx(row[entry.token_id], abs=1e-5)
        assert [token_id for token_id, _ in entry.top] == best.tolist()
        assert [value for _, value in entry.top] == pytest.approx(row[best].tolist(), abs=1e-5)


def test_without_streaming_there_is_one_event() -> None:
    asked = ask(TEXT, GREEDY)

    with running() as engine:
        engine.submit(asked)
        (event,) = events_of(asked)

    assert (event.index, event.text, event.is_last, event.error) == (0, twin_text(), True, None)
    assert asked.sink.empty()


def test_a_stream_has_an_event_a_token_and_joins_to_the_same_text() -> None:
    asked = ask(TEXT, GREEDY, stream=True)

    with running() as engine:
        engine.submit(asked)
        events = events_of(asked)

    token_ids, finish_reason = twin_generate(encode(TEXT), GREEDY)
    assert [event.token_ids for event in events if event.token_ids] == [(token_id,) for token_id in token_ids]
    assert "".join(event.text for event in events) == twin_text()
    assert [event.finish_reason for event in events] == [None] * (len(events) - 1) + [finish_reason]


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_cuts_the_text(stream: bool) -> None:
    whole = twin_text()
    stop = whole[len(whole) // 2 : len(whole) // 2 + 4]
    asked = ask(TEXT, SamplingParams(24, temperature=0.0, stop=("never", stop)), stream=stream)

    with running() as engine:
        engine.submit(asked)
        events = events_of(asked)

    assert "".join(event.text for event in events) == whole[: whole.index(stop)]
    assert events[-1].finish_reason == "stop"


@pytest.mark.parametrize("max_tokens", [1, 2, 7])
def test_max_tokens_ends_with_length(max_tokens: int) -> None:
    with running() as engine:
        output = generate(engine, TEXT, SamplingParams(max_tokens, temperature=0.0))

    assert len(output.token_ids) == max_tokens
    assert output.finish_reason == "length"


def test_generation_may_fill_the_context_to_the_last_token() -> None:
    num_prompt = len(encode(TEXT))

    with running() as engine:
        output = generate(engine, TEXT, SamplingParams(512 - num_prompt, min_tokens=512, seed=1))

    assert (len(output.token_ids), output.finish_reason, output.error) == (512 - num_prompt, "length", None)


def test_min_tokens_keeps_the_text_from_ending() -> None:
    natural, finish_reason = twin_generate(encode(TEXT), SamplingParams(400, temperature=0.0))
    assert finish_reason == "stop"

    with running() as engine:
        output = generate(engine, TEXT, SamplingParams(400, temperature=0.0, min_tokens=len(natural) + 5))

    assert len(output.token_ids) >= len(natural) + 5
    assert output.token_ids[: len(natural)] == tuple(natural)


@pytest.mark.parametrize("num_top", [0, 5, 100])
def test_logprobs_are_the_log_softmax_of_the_raw_logits(num_top: int) -> None:
    params = SamplingParams(10, seed=3, repeat_penalty=1.5, temperature=1.5, min_tokens=10, logprobs=num_top)

    with running() as engine:
        output = generate(engine, TEXT, params)

    check_logprobs(output.logprobs, list(output.token_ids), encode(TEXT).tolist(), num_top)


def test_only_the_sequences_that_want_logprobs_get_them() -> None:
    wants = [None, 2, None, 0]
    prompts = [Prompt(encode(TEXT), at, SamplingParams(5, seed=at, logprobs=num)) for at, num in enumerate(wants)]
    asked = request(*prompts)

    with running() as engine:
        engine.submit(asked)
        outputs = outputs_of(asked)

    for output, num in zip(outputs, wants, strict=True):
        expected = () if num is None else output.token_ids
        assert [entry.token_id for entry in output.logprobs] == list(expected)
        assert {len(entry.top) for entry in output.logprobs} == ({num} if expected else set())


@pytest.mark.parametrize("capabilities", [ALL, CHUNKED])
@pytest.mark.parametrize("num_prompt", [1, 2, 3, 32, 33, 34, 65, 100])
def test_prompt_logprobs_come_before_those_of_the_text(capabilities: frozenset[str], num_prompt: int) -> None:
    prompt = np.random.default_rng(num_prompt).integers(0, 500, num_prompt)
    params = SamplingParams(3, seed=1, min_tokens=3, logprobs=2)
    asked = request(Prompt(prompt, 0, params), prompt_logprobs=True)

    with running(capabilities=capabilities) as engine:  # type: ignore[arg-type]
        engine.submit(asked)
        (output,) = outputs_of(asked)

    check_logprobs(output.logprobs, [*prompt[1:].tolist(), *output.token_ids], [int(prompt[0])], 2)


def test_prompt_logprobs_of_a_cached_prompt_are_all_there() -> None:
    prompt = encode("The old tree had lost most of its leaves")
    asked = request(Prompt(prompt, 0, SamplingParams(2, seed=1, min_tokens=2, logprobs=0)), prompt_logprobs=True)

    with running() as engine:
        generate(engine, "The old tree had lost most of its leaves", SamplingParams(2, seed=1))
        engine.submit(asked)
        (output,) = outputs_of(asked)

    assert output.num_cached_tokens == 0
    assert len(output.logprobs) == len(prompt) - 1 + 2


def test_a_full_queue_refuses_until_something_ends() -> None:
    session = HeldSession(num_slots=1)
    session.held = True
    first, second = (ask(TEXT, SamplingParams(2, seed=at, min_tokens=2)) for at in range(2))

    with running(session, max_queued=2) as engine:
        engine.submit(first)
        engine.submit(second)
        with pytest.raises(QueueFull, match="limit is 2"):
            engine.submit(ask(TEXT, GREEDY))
        session.release()
        events_of(second)
        wait_until(lambda: engine.num_queued == 0)
        assert generate(engine, TEXT, GREEDY).text == twin_text()


def test_an_idle_engine_takes_a_request_larger_than_its_queue() -> None:
    asked = request(*(Prompt(encode(TEXT), at, SamplingParams(2, seed=at)) for at in range(5)))

    with running(max_queued=2) as engine:
        engine.submit(asked)

        assert [output.index for output in outputs_of(asked)] == [0, 1, 2, 3, 4]
