"""Tools as clients send them: under auto any schema only describes, and a forced call is whole or none."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from tests.http.fields.asking import FREE, GREEDY, ask, ids, streamed
from tests.http.handlers.serving import CHAT, HELLO, Client, post

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"not": {}}]}}},
    {"type": "object", "properties": {"m": {"type": "object", "propertyNames": {"type": "string"}}}},
    {"type": "object", "properties": {"m": {"type": "array", "uniqueItems": True, "prefixItems": [{"type": "null"}]}}},
    {"type": "object", "properties": {"m": {"$ref": "https://example.test/schema.json"}}},
    {"type": "object", "properties": {"p": {"type": "string", "format": "path", "pattern": "("}}},
    {"type": ["object", "null"]},
    {"type": "array", "items": {}},
    {"properties": [{}]},
    {"type": "object", "required": True},
    {"$ref": "#/$defs/x", "$defs": {"x": {"type": "object"}}},
    {},
]
ARGUMENTS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "note": {"type": "string"}},
    "required": ["city", "note"],
    "additionalProperties": False,
}

TEXT = {"type": "object", "properties": {"x": {"type": "boolean"}}, "required": ["x"], "additionalProperties": False}
FORMATS: list[dict[str, Any]] = [
    {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": TEXT}}},
    {"response_format": {"type": "json_object", "schema": TEXT}},
    {"guided_json": TEXT},
    {"structured_outputs": {"json": TEXT}},
]
BEGINS_CALL = {"logit_bias": {str(ord("<")): 100}}
"""Makes the reference model write the first character of a call, where it may."""


def tools(parameters: object, **more: object) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": "get_weather", "parameters": parameters, **more}}]


@pytest.mark.parametrize("choice", ["auto", None, "none"])
@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
async def test_a_tool_that_nothing_is_held_to_may_have_any_schema(
    client: Client, schema: dict[str, Any], choice: str | None
) -> None:
    body = {"messages": HELLO, "tools": tools(schema), "tool_choice": choice, "max_tokens": 2}

    status, answer = await post(client, CHAT, body)

    assert status == 200, answer


@pytest.mark.parametrize("is_strict", [False, True], ids=["required", "strict"])
@pytest.mark.parametrize("schema", SCHEMAS[6:9], ids=str)
async def test_a_tool_that_answers_are_held_to_says_what_it_cannot_hold(
    client: Client, schema: dict[str, Any], is_strict: bool
) -> None:
    offered = tools(schema, strict=is_strict)
    choice = "auto" if is_strict else "required"

    status, answer = await post(client, CHAT, {"messages": HELLO, "tools": offered, "tool_choice": choice})

    assert status == 400
    assert answer["error"]["param"].startswith("tools.0.function.parameters.")


INNER = {"type": "object", "properties": {"a": {"type": "object", "properties": {}, "$defs": {}}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("php", "meant"),
    [
        ([], {}),
        ({"type": "object", "properties": []}, {"type": "object", "properties": {}}),
        (json.loads(json.dumps(INNER).replace("{}", "[]")), INNER),
    ],
    ids=["parameters", "properties", "inside"],
)
async def test_an_empty_list_of_phps_is_an_empty_object(client: Client, php: object, meant: object) -> None:
    body = FREE | {"max_tokens": 100}
    await ask(client, CHAT, **body, tools=tools(php, strict=True))

    first, second = [
        (await ask(client, CHAT, **body, tools=tools(each), tool_choice="required"))["choices"][0]["message"]
        for each in (php, meant)
    ]

    assert [each["function"] for each in first["tool_calls"]] == [each["function"] for each in second["tool_calls"]]


@pytest.mark.parametrize("max_tokens", [1, 2, 10, 30, 50, 60, 70, 80, 100, 120, 160])
@pytest.mark.parametrize("fields", [GREEDY, FREE], ids=["greedy", "free"])
async def test_a_forced_call_is_whole_at_any_limit_that_leaves_room_and_never_markup(
    client: Client, max_tokens: int, fields: dict[str, Any]
) -> None:
    body = fields | {"max_tokens": max_tokens, "tools": tools(ARGUMENTS), "tool_choice": "required"}

    (choice,) = (await ask(client, CHAT, **body))["choices"]

    assert not choice["message"]["content"]
    calls = choice["message"].get("tool_calls", [])
    if max_tokens >= 100:  # bytes are the tokens of this model, by and large
        for call in calls:
            assert jsonschema_rs.is_valid(ARGUMENTS, json.loads(call["function"]["arguments"]))
        assert calls
    assert choice["finish_reason"] in ("length", "tool_calls")


@pytest.mark.parametrize("is_parallel", [True, False])
async def test_arguments_are_whole_where_only_the_closing_markup_does_not_fit(
    client: Client, is_parallel: bool
) -> None:
    shortest = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "", "note": ""}}'
    num_tokens = len(await ids(client, shortest))
    body = FREE | {"tools": tools(ARGUMENTS), "tool_choice": "required", "parallel_tool_calls": is_parallel}

    for room in (3, 8, 30):  # the markup has about a dozen tokens
        (choice,) = (await ask(client, CHAT, **body | {"max_tokens": num_tokens + room}))["choices"]

        assert jsonschema_rs.is_valid(
            ARGUMENTS, json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])
        )
        assert choice["finish_reason"] == "length"


@pytest.mark.parametrize("max_tokens", [1, 10, 30])
async def test_a_stream_of_a_forced_call_that_is_cut_has_no_markup(client: Client, max_tokens: int) -> None:
    body = GREEDY | {"max_tokens": max_tokens, "tools": tools(ARGUMENTS), "tool_choice": "required"}

    chunks = await streamed(client, CHAT, **body, stream=True)

    assert not "".join(each["choices"][0]["delta"].get("content") or "" for each in chunks)


@pytest.mark.parametrize("offered", [tools(ARGUMENTS), tools(ARGUMENTS, strict=True), tools(SCHEMAS[0])], ids=str)
@pytest.mark.parametrize("fields", FORMATS, ids=str)
@pytest.mark.parametrize("is_parallel", [True, False])
async def test_an_answer_is_a_call_or_text_that_keeps_the_schema(
    client: Client, offered: list[dict[str, Any]], fields: dict[str, Any], is_parallel: bool
) -> None:
    body = FREE | fields | {"max_tokens": 200, "tools": offered, "parallel_tool_calls": is_parallel}

    (text,) = (await ask(client, CHAT, **body))["choices"]
    (call,) = (await ask(client, CHAT, **body, **BEGINS_CALL))["choices"]

    assert jsonschema_rs.is_valid(TEXT, json.loads(text["message"]["content"]))
    assert text["finish_reason"] == "stop"
    assert not call["message"]["content"]
    arguments = json.loads(call["message"]["tool_calls"][0]["function"]["arguments"])
    assert isinstance(arguments, dict)
    if offered[0]["function"].get("strict"):
        assert jsonschema_rs.is_valid(ARGUMENTS, arguments)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}], ids=str)
async def test_a_forced_call_beside_a_format_is_a_call(client: Client, choice: object) -> None:
    body = FREE | FORMATS[0] | {"max_tokens": 200, "tools": tools(ARGUMENTS), "tool_choice": choice}

    (answer,) = (await ask(client, CHAT, **body))["choices"]

    assert jsonschema_rs.is_valid(ARGUMENTS, json.loads(answer["message"]["tool_calls"][0]["function"]["arguments"]))


async def test_no_call_beside_a_format_is_text_that_keeps_the_schema(client: Client) -> None:
    body = FREE | FORMATS[0] | {"tools": tools(ARGUMENTS), "tool_choice": "none"}

    (answer,) = (await ask(client, CHAT, **body))["choices"]

    assert jsonschema_rs.is_valid(TEXT, json.loads(answer["message"]["content"]))


@pytest.mark.parametrize("max_tokens", [3, 8, 12])
async def test_text_beside_tools_is_closed_at_the_limit(client: Client, max_tokens: int) -> None:
    text = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    body = FREE | {"max_tokens": max_tokens, "tools": tools(ARGUMENTS), "guided_json": text}

    (answer,) = (await ask(client, CHAT, **body))["choices"]

    assert jsonschema_rs.is_valid(text, json.loads(answer["message"]["content"]))


async def test_a_schema_of_the_text_that_cannot_be_held_is_refused_by_its_field(client: Client) -> None:
    fields = {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nothing"}}}}

    status, answer = await post(client, CHAT, {"messages": HELLO, "tools": tools(ARGUMENTS)} | fields)

    assert (status, answer["error"]["param"]) == (400, "response_format.json_schema.schema")
