"""OpenAI's Python client beyond plain calls: its asynchronous half, its stream helper, parsed answers and tools."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

from tests.clients.direct import (
    CHAT,
    FRANCE,
    HELLO,
    KEY,
    MAX_STRUCTURED_TOKENS,
    MAX_TOKENS,
    OVERLONG,
    PARIS,
    REFERENCE,
    Capital,
    City,
    hello_text,
)
from tests.e2e.server_process import ServerProcess

ASK: Any = {"model": REFERENCE, "messages": [{"role": "user", "content": HELLO}], "temperature": 0}
SHORT: Any = ASK | {"max_tokens": MAX_TOKENS}
TOOL = openai.pydantic_function_tool(Capital, name="tell_capital")
FORCED: Any = ASK | {
    "max_tokens": MAX_STRUCTURED_TOKENS,
    "tools": [TOOL],
    "tool_choice": "required",
    "parallel_tool_calls": False,
}


@pytest.fixture
def client(reference: ServerProcess) -> Iterator[openai.OpenAI]:
    with reference.client(api_key=KEY) as client:
        yield client


@pytest.fixture
async def concurrent(reference: ServerProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{reference.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


async def test_asynchronous_chat(concurrent: openai.AsyncOpenAI, reference: ServerProcess) -> None:
    answer = await concurrent.chat.completions.create(**SHORT)

    assert answer.choices[0].message.content == hello_text(reference)


async def test_asynchronous_stream(concurrent: openai.AsyncOpenAI, reference: ServerProcess) -> None:
    chunks = await concurrent.chat.completions.create(**SHORT, stream=True)
    deltas = [choice.delta.content or "" async for chunk in chunks for choice in chunk.choices]

    assert "".join(deltas) == hello_text(reference)


async def test_an_overlong_prompt_is_refused_before_the_stream(concurrent: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await concurrent.completions.create(model=REFERENCE, prompt=OVERLONG, stream=True)

    assert refused.value.code == "context_length_exceeded"


def test_stream_helper_gathers_the_answer(client: openai.OpenAI, reference: ServerProcess) -> None:
    end = hello_text(reference)[-4:]  # the helper takes an answer cut at the limit for an error

    with client.chat.completions.stream(**SHORT, stop=end, stream_options={"include_usage": True}) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        answer = stream.get_final_completion()

    assert "".join(pieces) + end == hello_text(reference)
    assert answer.choices[0].message.content == "".join(pieces)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None


def test_fields_that_openai_does_not_have_go_through_extra_body(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(**SHORT | {"temperature": 1}, seed=3, extra_body={"top_k": 1})
    second = client.chat.completions.create(**SHORT | {"temperature": 1}, seed=4, extra_body={"top_k": 1})

    assert first.choices[0].message.content == second.choices[0].message.content


def test_raw_answers_carry_headers(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(**SHORT)

    assert raw.headers["content-type"] == "application/json"
    assert raw.parse().choices[0].finish_reason == "length"


def test_json_object_is_an_object(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        **ASK, max_tokens=MAX_STRUCTURED_TOKENS, response_format={"type": "json_object"}
    )

    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_parsed_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(**ASK, max_tokens=MAX_STRUCTURED_TOKENS, response_format=Capital)

    assert answer.choices[0].message.parsed == PARIS
    assert answer.choices[0].finish_reason == "stop"


def test_parsed_stream(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(**ASK, max_tokens=MAX_STRUCTURED_TOKENS, response_format=Capital) as stream:
        answer = stream.get_final_completion()

    assert answer.choices[0].message.parsed == PARIS


def test_required_tool_is_called(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(**FORCED)

    (call,) = answer.choices[0].message.tool_calls or []
    assert answer.choices[0].message.content is None
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.id
    assert call.function.name == "tell_capital"
    assert call.function.parsed_arguments == PARIS


def test_named_tool_is_called(client: openai.OpenAI) -> None:
    named = {"type": "function", "function": {"name": "tell_capital"}}

    answer = client.chat.completions.create(**FORCED | {"tool_choice": named})

    (call,) = answer.choices[0].message.tool_calls or []
    assert isinstance(call, openai.types.chat.ChatCompletionMessageFunctionToolCall)
    assert json.loads(call.function.arguments) == PARIS.model_dump()


def test_streamed_tool_call(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(**FORCED) as stream:
        events = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        answer = stream.get_final_completion()

    assert [(event.name, event.parsed_arguments) for event in events] == [("tell_capital", PARIS)]
    assert answer.choices[0].finish_reason == "tool_calls"


def test_a_tools_result_reaches_the_prompt(client: openai.OpenAI) -> None:
    asked = client.chat.completions.create(**FORCED).choices[0].message
    call_id = (asked.tool_calls or [])[0].id

    def num_prompt_tokens(result: str) -> int:
        messages = [*ASK["messages"], asked, {"role": "tool", "tool_call_id": call_id, "content": result}]
        answer = client.chat.completions.create(**SHORT | {"messages": messages, "tools": [TOOL]})
        assert answer.usage is not None
        count: int = answer.usage.prompt_tokens
        return count

    assert num_prompt_tokens("Paris, on the Seine") > num_prompt_tokens("Paris")


def test_a_choice_that_names_no_tool_is_refused(client: openai.OpenAI) -> None:
    nobody = {"type": "function", "function": {"name": "nobody"}}

    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**FORCED | {"tool_choice": nobody})

    assert refused.value.param == "tool_choice"


@pytest.mark.weights
def test_real_weights_answer_in_the_asked_form(weights: ServerProcess) -> None:
    with weights.client(api_key=KEY) as client:
        answer = client.chat.completions.parse(
            model=CHAT,
            messages=[{"role": "user", "content": FRANCE}],
            temperature=0,
            max_tokens=MAX_STRUCTURED_TOKENS,
            response_format=City,
        )

    assert answer.choices[0].message.parsed is not None
    assert answer.choices[0].message.parsed.name
