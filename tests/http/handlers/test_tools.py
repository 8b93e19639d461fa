"""Tools over HTTP: forced calls follow their schema, in either spelling, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from tests.http.handlers.serving import CHAT, HELLO, Client, post, stream

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a place",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string", "maxLength": 10}, "unit": {"enum": ["C", "F"]}},
        "required": ["place", "unit"],
    },
}
TIME = {"name": "get_time", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": function} for function in (WEATHER, TIME)]
NAMED = {"type": "function", "function": {"name": "get_weather"}}
BODY: dict[str, Any] = {"messages": HELLO, "temperature": 1.0, "seed": 2, "max_tokens": 150}


async def chat(client: Client, **body: Any) -> Any:
    status, answer = await post(client, CHAT, BODY | body)
    assert status == 200, answer
    return answer


def check_weather(arguments: str) -> None:
    assert jsonschema_rs.is_valid(WEATHER["parameters"], json.loads(arguments))


@pytest.mark.parametrize("seed", range(4))
async def test_a_named_tool_is_called(client: Client, seed: int) -> None:
    answer = await chat(client, tools=TOOLS, tool_choice=NAMED, parallel_tool_calls=False, seed=seed)

    (choice,) = answer["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert choice["message"]["content"] is None
    assert choice["finish_reason"] == "tool_calls"
    assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
    check_weather(call["function"]["arguments"])


@pytest.mark.parametrize("seed", range(4))
async def test_a_required_call_is_one_of_the_tools(client: Client, seed: int) -> None:
    answer = await chat(client, tools=TOOLS, tool_choice="required", seed=seed)

    calls = answer["choices"][0]["message"]["tool_calls"]
    assert {call["function"]["name"] for call in calls} <= {"get_weather", "get_time"}
    assert len({call["id"] for call in calls}) == len(calls)


async def test_one_call_at_most_without_parallel_calls(client: Client) -> None:
    for seed in range(6):
        answer = await chat(client, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, seed=seed)

        assert len(answer["choices"][0]["message"]["tool_calls"]) == 1


async def test_the_older_spelling_answers_in_kind(client: Client) -> None:
    answer = await chat(client, functions=[WEATHER, TIME], function_call={"name": "get_weather"})

    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"]["name"] == "get_weather"
    check_weather(choice["message"]["function_call"]["arguments"])
    assert "tool_calls" not in choice["message"]


async def test_a_stream_gives_id_and_name_once_and_the_arguments_in_pieces(client: Client) -> None:
    body = BODY | {"tools": TOOLS, "tool_choice": NAMED, "parallel_tool_calls": False}
    whole = (await chat(client, **body))["choices"][0]["message"]["tool_calls"][0]["function"]

    chunks = await stream(client, CHAT, body)

    choices = [chunk["choices"][0] for chunk in chunks if chunk != "[DONE]"]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    assert [call["index"] for call in calls] == [0] * len(calls)
    assert [call["function"]["name"] for call in calls if "name" in call["function"]] == ["get_weather"]
    assert sum("id" in call for call in calls) == 1
    assert "".join(call["function"]["arguments"] for call in calls) == whole["arguments"]
    assert len(calls) > 3
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["tool_calls"]


async def test_a_stream_in_the_older_spelling(client: Client) -> None:
    chunks = await stream(client, CHAT, BODY | {"functions": [WEATHER], "function_call": {"name": "get_weather"}})

    choices = [chunk["choices"][0] for chunk in chunks if chunk != "[DONE]"]
    calls = [choice["delta"]["function_call"] for choice in choices if "function_call" in choice["delta"]]
    check_weather("".join(call["arguments"] for call in calls))
    assert choices[-1]["finish_reason"] == "function_call"


async def test_a_call_that_is_cut_off_ends_with_length(client: Client) -> None:
    answer = await chat(client, tools=TOOLS, tool_choice=NAMED, max_tokens=20)

    assert answer["choices"][0]["finish_reason"] == "length"


async def test_tools_are_shown_to_the_model_unless_none_may_be_called(client: Client) -> None:
    counts = [
        (await chat(client, max_tokens=1, **body))["usage"]["prompt_tokens"]
        for body in ({}, {"tools": TOOLS, "tool_choice": "none"}, {"tools": TOOLS, "tool_choice": "auto"})
    ]

    assert counts[0] == counts[1] < counts[2]


async def test_calls_and_results_are_fed_back(client: Client) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
    messages = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
    ]
    short = (await chat(client, max_tokens=1))["usage"]["prompt_tokens"]

    answer = await chat(client, messages=messages, tools=TOOLS, max_tokens=1)

    assert answer["usage"]["prompt_tokens"] > short + 20


async def test_n_choices_each_make_their_own_call(client: Client) -> None:
    answer = await chat(client, tools=TOOLS, tool_choice=NAMED, parallel_tool_calls=False, n=3)

    calls = [choice["message"]["tool_calls"][0] for choice in answer["choices"]]
    assert len({call["id"] for call in calls}) == 3
    for call in calls:
        check_weather(call["function"]["arguments"])


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_schema_that_cannot_be_served_is_refused(client: Client, streamed: bool) -> None:
    broken = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": "nothing"}}}}}

    status, answer = await post(client, CHAT, BODY | {"tools": [broken], "tool_choice": "required", "stream": streamed})

    assert status == 400
    assert answer["error"]["param"] == "tools"
    assert "nothing" in answer["error"]["message"]
