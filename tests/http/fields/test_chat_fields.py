"""Fields that chat alone has, except messages and tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.fields.asking import FREE, ask, body_of, refused, said
from tests.http.fields.registry import field
from tests.http.handlers.serving import CHAT, Client

REQUEST = "CreateChatCompletionRequest"
FORMAT = "ChatCompletionRequestResponseFormat"
JSON_SCHEMA = "ResponseFormatJsonSchema"

LONG = FREE | {"max_tokens": 100}
SCHEMAS = [{"const": "yes"}, {"type": "array", "items": {"enum": [1]}, "minItems": 2, "maxItems": 2}]
VALUES: list[object] = ["yes", [1, 1]]


@field(REQUEST, "logprobs")
async def test_logprobs_are_given_if_asked_for(client: Client) -> None:
    answers = [await ask(client, CHAT, **FREE, logprobs=wanted) for wanted in (True, False, None)]

    given, *missing = [answer["choices"][0]["logprobs"] for answer in answers]
    assert len(given["content"]) == answers[0]["usage"]["completion_tokens"]
    assert "".join(token["token"] for token in given["content"]) == await said(client, CHAT, **FREE)
    assert missing == [None, None]


@field(REQUEST, "top_logprobs")
@pytest.mark.parametrize(("count", "num_given"), [(None, 0), (0, 0), (1, 1), (5, 5)])
async def test_top_logprobs_is_how_many_alternatives_each_token_has(
    client: Client, count: int | None, num_given: int
) -> None:
    answer = await ask(client, CHAT, **FREE, logprobs=True, top_logprobs=count)

    assert {len(token["top_logprobs"]) for token in answer["choices"][0]["logprobs"]["content"]} == {num_given}


@field(REQUEST, "top_logprobs", "logprobs")
async def test_top_logprobs_without_logprobs_are_refused_by_name(client: Client) -> None:
    assert await refused(client, CHAT, body_of(CHAT, top_logprobs=1)) == (400, "top_logprobs")
    assert await refused(client, CHAT, body_of(CHAT, logprobs=1)) == (422, "logprobs")


@field(REQUEST, "max_completion_tokens", "max_tokens")
async def test_max_completion_tokens_is_max_tokens(client: Client) -> None:
    free = {key: value for key, value in FREE.items() if key != "max_tokens"} | {"min_tokens": 9}

    old, new, both = [
        await ask(client, CHAT, **free, **limits)
        for limits in ({"max_tokens": 4}, {"max_completion_tokens": 4}, {"max_tokens": 4, "max_completion_tokens": 4})
    ]

    assert old["usage"]["completion_tokens"] == 4
    assert old["choices"] == new["choices"] == both["choices"]


@field(REQUEST, "max_completion_tokens", "max_tokens")
@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_completion_tokens": -2}, "max_completion_tokens"),
        ({"max_completion_tokens": 4, "max_tokens": 5}, "max_completion_tokens"),
    ],
)
async def test_a_limit_that_cannot_be_served_is_refused_by_name(
    client: Client, limits: dict[str, int], name: str
) -> None:
    assert await refused(client, CHAT, body_of(CHAT, **limits)) == (400, name)


@field(REQUEST, "response_format")
@field(FORMAT, "type")
@field(JSON_SCHEMA, "schema")
async def test_the_type_says_what_the_text_is(client: Client) -> None:
    free = await said(client, CHAT, **LONG)
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": 5}}}

    none, text = [await said(client, CHAT, **LONG, response_format=each) for each in (None, {"type": "text"})]
    anything = await said(client, CHAT, **LONG, response_format={"type": "json_object"})

    assert none == text == free
    assert isinstance(json.loads(anything), dict)
    assert await said(client, CHAT, **LONG, response_format=form) == "5"


@field(FORMAT, "schema", "json_schema")
@field(JSON_SCHEMA, "schema")
@pytest.mark.parametrize(("schema", "value"), [*zip(SCHEMAS, VALUES, strict=True)])
@pytest.mark.parametrize("spelling", ["object", "newer"])
async def test_the_text_is_of_the_schema(client: Client, schema: Any, value: object, spelling: str) -> None:
    form = {
        "object": {"type": "json_object", "schema": schema},
        "newer": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    }[spelling]

    assert json.loads(await said(client, CHAT, **LONG, response_format=form)) == value


@field(JSON_SCHEMA, "strict")
@pytest.mark.parametrize("strict", [True, False, None])
async def test_the_schema_is_kept_however_strict(client: Client, strict: bool | None) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMAS[1], "strict": strict}}

    assert json.loads(await said(client, CHAT, **LONG, response_format=form)) == VALUES[1]


@field(JSON_SCHEMA, "name")
async def test_a_schemas_name_is_of_letters_and_digits(client: Client) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "two words", "schema": SCHEMAS[0]}}

    status, name = await refused(client, CHAT, body_of(CHAT, response_format=form))

    assert (status, name) == (400, "response_format.json_schema.name")


@field(JSON_SCHEMA, "description")
async def test_a_schemas_description_is_part_of_the_prompt(client: Client) -> None:
    forms = [
        {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMAS[0], "description": text}}
        for text in ("short", "a longer description of the same")
    ]

    answers = [await ask(client, CHAT, **LONG, response_format=form) for form in forms]

    assert answers[0]["usage"]["prompt_tokens"] < answers[1]["usage"]["prompt_tokens"]


@field(FORMAT, "type", "schema", "json_schema")
@field(JSON_SCHEMA, "name", "schema", "strict", "description")
@pytest.mark.parametrize(
    ("form", "status", "name"),
    [
        ({"type": "xml"}, 422, "type"),
        ({}, 422, "type"),
        ({"type": "json_object", "schema": 5}, 400, "schema"),
        ({"type": "json_object", "schema": "x"}, 400, "schema"),
        ({"type": "json_object", "schema": {"type": "nothing"}}, 400, "schema"),
        ({"type": "text", "schema": {}}, 400, "schema"),
        ({"type": "text", "json_schema": {"name": "x"}}, 400, "json_schema"),
        ({"type": "json_object", "json_schema": {"name": "x"}}, 400, "json_schema"),
        ({"type": "json_schema"}, 400, "json_schema"),
        ({"type": "json_schema", "schema": {"type": "object"}}, 400, "json_schema"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, 400, "json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": None}}, 400, "json_schema.schema"),
        ({"type": "json_schema", "json_schema": {}}, 422, "json_schema.name"),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "y"}}}, 400, "json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"name": "x", "strict": 1}}, 422, "json_schema.strict"),
        ({"type": "json_schema", "json_schema": {"name": "x", "description": 1}}, 422, "json_schema.description"),
    ],
)
async def test_a_format_that_cannot_be_served_is_refused_by_name(
    client: Client, form: dict[str, Any], status: int, name: str
) -> None:
    assert await refused(client, CHAT, body_of(CHAT, response_format=form)) == (status, f"response_format.{name}")
