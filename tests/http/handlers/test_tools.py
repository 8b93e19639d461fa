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
    fields = {"tools": [*TOOLS, broken], "tool_choice": "required", "stream": streamed}

    status, answer = await post(client, CHAT, BODY | fields)

    assert (status, answer["error"]["code"]) == (400, "invalid_schema")
    assert answer["error"]["param"] == f"tools.{len(TOOLS)}.function.parameters"
    assert "schema at /properties/a: it cannot be served (Invalid type: nothing)" in answer["error"]["message"]


def _deep() -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(70):
        schema = {"items": schema}
    return schema


UNSERVED: dict[str, dict[str, Any]] = {
    "uniqueItems": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    "external reference": {"$ref": "https://example.com/schema.json"},
    "unknown type": {"type": "nothing"},
    "no schema": {"anyOf": 3},
    "impossible": {"allOf": [{"type": "string"}, {"type": "integer"}]},
    "lookahead": {"type": "string", "pattern": "^(?=a)b$"},
    "repetitions": {"type": "string", "pattern": "((a{1000}){1000}){1000}"},
    "long": {"type": "string", "minLength": 100_000},
    "deep": _deep(),
    "huge": {"enum": ["x" * 600_000]},
}
"""Schemas of one argument that no grammar can be made of."""


def tool(schema: dict[str, Any], name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"name": name, "parameters": {"type": "object", "properties": {"a": schema}, "required": ["a"]}} | fields


def tools_of(*functions: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "function", "function": function} for function in functions]


@pytest.mark.parametrize(
    "body",
    [
        lambda unserved: {"tools": tools_of(unserved)},
        lambda unserved: {"tools": tools_of(unserved), "tool_choice": "auto", "parallel_tool_calls": False},
        lambda unserved: {"tools": tools_of(unserved | {"strict": True}), "tool_choice": "none"},
        lambda unserved: {"tools": tools_of(unserved, WEATHER | {"strict": True})},
        lambda unserved: {"tools": tools_of(unserved, WEATHER), "tool_choice": NAMED},
        lambda unserved: {"functions": [unserved]},
        lambda unserved: {"functions": [unserved, WEATHER], "function_call": {"name": "get_weather"}},
        lambda unserved: {"functions": [unserved], "function_call": "none"},
    ],
    ids=[
        "default",
        "auto",
        "none",
        "beside strict",
        "beside named",
        "functions",
        "beside named function",
        "no function",
    ],
)
async def test_a_schema_that_nothing_enforces_may_say_anything(client: Client, body: Any) -> None:
    # The reference model's context is short: with two of the schemas in the prompt, that is what is wrong.
    for name, schema in UNSERVED.items():
        status, answer = await post(client, CHAT, BODY | body(tool(schema)) | {"max_tokens": 2})

        is_only_long = (
            name in ("deep", "huge") and status == 400 and answer["error"]["code"] == "context_length_exceeded"
        )
        assert (name, 200 if is_only_long else status) == (name, 200), answer


@pytest.mark.parametrize(
    "body",
    [
        lambda unserved: {"tools": tools_of(unserved | {"strict": True})},
        lambda unserved: {"tools": tools_of(WEATHER, unserved | {"strict": True})},
        lambda unserved: {"tools": tools_of(unserved), "tool_choice": "required"},
        lambda unserved: {"tools": tools_of(unserved, WEATHER), "tool_choice": "required"},
        lambda unserved: {"functions": [unserved], "function_call": {"name": "f"}},
    ],
    ids=["strict", "strict beside another", "required", "required beside another", "named function"],
)
async def test_a_schema_that_is_enforced_is_refused_if_it_cannot_be(client: Client, body: Any) -> None:
    for name, schema in UNSERVED.items():
        status, answer = await post(client, CHAT, BODY | body(tool(schema)) | {"max_tokens": 2})

        assert (name, status) == (name, 400), answer


@pytest.mark.parametrize("choice", ["auto", "none"])
@pytest.mark.parametrize(
    "parameters",
    [{"properties": None}, {"type": "object", "properties": None, "required": None}, {"type": None}],
)
async def test_null_is_what_was_left_out(client: Client, choice: str, parameters: dict[str, Any]) -> None:
    function = {"name": "f", "parameters": parameters}

    status, answer = await post(client, CHAT, BODY | {"tools": tools_of(function), "tool_choice": choice})

    assert status == 200, answer


@pytest.mark.parametrize(("choice", "status"), [("auto", 200), ("none", 200), ("required", 400)])
@pytest.mark.parametrize(
    ("parameters", "param"),
    [({"type": "array"}, "type"), ({"properties": [1]}, "properties"), ({"required": [1]}, "required")],
)
async def test_parameters_that_are_no_object_are_refused_where_an_answer_is_held_to_them(
    client: Client, choice: str, status: int, parameters: dict[str, Any], param: str
) -> None:
    function = {"name": "f", "parameters": parameters}

    answered, answer = await post(client, CHAT, BODY | {"tools": tools_of(function), "tool_choice": choice})

    assert answered == status
    assert status == 200 or answer["error"]["param"] == f"tools.0.function.parameters.{param}"
