"""Null means "not given", for every optional field at every depth, as client libraries write requests back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jan_ort_openapi import load_spec
from tests.http.fields.asking import GREEDY
from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, HELLO, Client, post

SCHEMAS = load_spec()["components"]["schemas"]
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "CreateChatCompletionRequest": (CHAT, {"messages": HELLO} | GREEDY | {"max_tokens": 3}),
    "CreateCompletionRequest": (COMPLETIONS, {"prompt": "Hello"} | GREEDY | {"max_tokens": 3}),
    "CreateEmbeddingRequest": (EMBEDDINGS, {"input": "Hello"}),
    "TokenizeInputRequest": ("/extras/tokenize", {"input": "Hello"}),
    "DetokenizeInputRequest": ("/extras/detokenize", {"tokens": [65]}),
}
NULL_SAYS_MORE = ("max_tokens", "n", "best_of")
"""Whose null the document itself gives a meaning."""


def optional_fields() -> Iterator[tuple[str, str]]:
    for name in BODIES:
        required = SCHEMAS[name].get("required", ())
        yield from ((name, field) for field in SCHEMAS[name]["properties"] if field not in required)


@pytest.mark.parametrize(("schema", "field"), [*optional_fields()])
async def test_null_is_as_if_the_field_were_not_given(client: Client, schema: str, field: str) -> None:
    path, body = BODIES[schema]
    without = {name: value for name, value in body.items() if name != field}
    if field in ("max_tokens", "temperature", "top_k", "top_p", "min_p"):
        without |= {"seed": 1}

    expected_status, expected = await post(client, path, without)
    status, answer = await post(client, path, without | {field: None})

    assert (status, expected_status) == (200, 200), answer
    if field not in NULL_SAYS_MORE:
        for each in (expected, answer):
            each.pop("id", None), each.pop("created", None), each.pop("usage", None)
        assert answer == expected or field == "seed"


NESTED: list[dict[str, Any]] = [
    {"stream": True, "stream_options": {"include_usage": None}},
    {"stream_options": None},
    {"tools": [{"type": "function", "function": {"name": "f", "description": None, "parameters": None}}]},
    {"tools": [{"type": "function", "function": {"name": "f", "strict": None}}], "tool_choice": None},
    {"functions": [{"name": "f", "description": None, "parameters": None}]},
    {"response_format": {"type": "text", "schema": None, "json_schema": None}},
    {"response_format": {"type": "json_object", "schema": None, "json_schema": None}},
    {
        "response_format": {
            "type": "json_schema",
            "schema": None,
            "json_schema": {"name": "a", "description": None, "schema": {"type": "object"}, "strict": None},
        }
    },
]


@pytest.mark.parametrize("fields", NESTED, ids=str)
async def test_null_is_not_given_in_what_a_request_holds(client: Client, fields: dict[str, Any]) -> None:
    response = await client.post(CHAT, json={"messages": HELLO, "max_tokens": 2} | fields)

    assert response.status_code == 200, await response.get_data(as_text=True)


MESSAGES: list[dict[str, Any]] = [
    {
        "role": "assistant",
        "content": "hello",
        "refusal": None,
        "annotations": None,
        "audio": None,
        "function_call": None,
        "tool_calls": None,
        "reasoning_content": None,
        "name": None,
    },
    {"role": "assistant", "content": None, "tool_calls": [CALL], "function_call": None, "refusal": None},
    {"role": "assistant", "content": None, "tool_calls": None, "function_call": CALL["function"]},
    {"role": "user", "content": "hello", "name": None},
    {"role": "system", "content": None, "name": None},
    {"role": "tool", "tool_call_id": "call_1", "content": None, "name": None},
]


@pytest.mark.parametrize("message", MESSAGES, ids=str)
async def test_a_message_is_taken_as_a_client_library_dumps_it(client: Client, message: dict[str, Any]) -> None:
    plain = {name: value for name, value in message.items() if value is not None} | {"content": message["content"]}
    body = {**GREEDY, "max_tokens": 3}

    _, expected = await post(client, CHAT, body | {"messages": [*HELLO, plain]})
    status, answer = await post(client, CHAT, body | {"messages": [*HELLO, message, *HELLO][:2]})

    assert status == 200, answer
    assert answer["choices"] == expected["choices"]


@pytest.mark.parametrize("body", [{"input": None}, {"input": ["a", None]}])
async def test_null_for_what_is_required_is_refused(client: Client, body: dict[str, Any]) -> None:
    status, answer = await post(client, EMBEDDINGS, body)

    assert status == 422
    assert answer["error"]["param"].startswith("input")
