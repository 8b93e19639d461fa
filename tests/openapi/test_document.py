from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from importlib import resources
from typing import Any

import httpx
import pytest
import schemathesis
from schemathesis.openapi.checks import JsonSchemaError

from jan_ort_openapi import load_spec, spec_bytes
from scripts.overlay import apply_overlay

PINNED = "58d80e876a684adc95cf20fa3aebfba0da3f38645ee96094ff68ec85128659ad"
ERRORS = {"400", "401", "404", "413", "415", "422", "429", "503"}
OTHER_PROTOCOLS = ("/v1/messages", "/api/")
"""What violates a schema is answered 400 there, as their own servers do."""


def test_the_bundled_document_is_unchanged_byte_for_byte() -> None:
    document = resources.files("jan_ort_openapi").joinpath("openapi.json").read_bytes()

    assert hashlib.sha256(document).hexdigest() == PINNED
    assert load_spec(pristine=True) == json.loads(document)


def test_the_generated_document_is_the_bundled_one_with_the_overlay() -> None:
    overlay = json.loads(resources.files("jan_ort_openapi").joinpath("overlay.json").read_bytes())

    merged = apply_overlay(load_spec(pristine=True), overlay)

    assert spec_bytes() == json.dumps(merged, ensure_ascii=False, separators=(",", ":")).encode()


def test_spec_bytes_are_what_load_spec_returns() -> None:
    assert json.loads(spec_bytes()) == load_spec()


def test_a_caller_cannot_change_the_next_callers_document() -> None:
    load_spec()["paths"].clear()

    assert load_spec()["paths"] != {}


def test_the_overlay_keeps_every_operation_field_and_security_of_the_document() -> None:
    pristine, spec = load_spec(pristine=True), load_spec()

    assert set(pristine["paths"]) < set(spec["paths"])
    assert spec["components"]["securitySchemes"] == pristine["components"]["securitySchemes"]
    for name, schema in pristine["components"]["schemas"].items():
        assert set(schema["properties"]) <= set(spec["components"]["schemas"][name]["properties"])
    for path, item in pristine["paths"].items():
        for method, operation in item.items():
            assert spec["paths"][path][method]["operationId"] == operation["operationId"]
            assert spec["paths"][path][method]["security"] == operation["security"]


def test_every_operation_with_a_body_documents_the_client_errors_and_none_a_500() -> None:
    operations = [(path, operation) for path, item in load_spec()["paths"].items() for operation in item.values()]

    for path, operation in operations:
        of_admins = {"403"} if path.startswith(("/models/", "/api/")) and path != "/api/show" else set()
        told_as_400 = {"422"} if path.startswith(OTHER_PROTOCOLS) else set()
        known = {"200"} | ERRORS | of_admins
        assert "500" not in operation["responses"]
        assert "requestBody" not in operation or set(operation["responses"]) == known - told_as_400


def test_every_reference_resolves() -> None:
    spec = load_spec()

    for reference in references(spec):
        node: Any = spec
        for key in reference.removeprefix("#/").split("/"):
            node = node[key]


def references(node: Any) -> list[str]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    own = [node["$ref"]] if isinstance(node, dict) and "$ref" in node else []
    return own + [reference for child in children for reference in references(child)]


def stream(path: str, *events: Any) -> tuple[Any, httpx.Response]:
    body = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)
    response = httpx.Response(
        200,
        headers={"Content-Type": "text/event-stream; charset=utf-8"},
        content=f": ping\n\n{body}".encode(),
        request=httpx.Request("POST", f"http://localhost{path}"),
    )
    response.elapsed = timedelta(0)
    return schemathesis.openapi.from_dict(load_spec())[path]["POST"], response


HEAD = {"id": "1", "created": 1, "model": "m"}
TEXT = {**HEAD, "object": "text_completion"}
TEXT_CHUNK = {**TEXT, "choices": [{"index": 0, "text": "a", "logprobs": None, "finish_reason": None}]}
CHAT = {**HEAD, "object": "chat.completion.chunk"}
CHAT_CHUNK = {**CHAT, "choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]}
CALL = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}
CALL_CHUNK = {**CHAT, "choices": [{"index": 0, "delta": {"tool_calls": [CALL]}, "finish_reason": "tool_calls"}]}
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "prompt_tokens_details": {"cached_tokens": 0}}
ERROR = {"error": {"message": "m", "type": "server_error", "param": None, "code": None}}


@pytest.mark.parametrize(
    ("path", "events"),
    [
        ("/v1/completions", [TEXT_CHUNK, {**TEXT, "choices": [], "usage": USAGE}, "[DONE]"]),
        ("/v1/completions", [TEXT_CHUNK, ERROR]),
        ("/v1/chat/completions", [CHAT_CHUNK, CALL_CHUNK, {**CHAT, "choices": [], "usage": USAGE}, "[DONE]"]),
        ("/v1/chat/completions", [{**CHAT_CHUNK, "usage": None}, ERROR]),
    ],
)
def test_the_event_schemas_accept_our_streams(path: str, events: list[Any]) -> None:
    operation, response = stream(path, *events)

    assert operation.validate_response(response) is None


@pytest.mark.parametrize(
    ("path", "event"),
    [
        ("/v1/completions", CHAT_CHUNK),
        ("/v1/completions", {**TEXT_CHUNK, "choices": [{"index": 0}]}),
        ("/v1/completions", "[DONE"),
        ("/v1/chat/completions", TEXT_CHUNK),
        ("/v1/chat/completions", {"error": {"message": "m"}}),
        ("/v1/chat/completions", {**CHAT, "choices": [{"index": 0, "delta": {"content": 5}, "finish_reason": None}]}),
    ],
)
def test_the_event_schemas_reject_other_events(path: str, event: Any) -> None:
    operation, response = stream(path, event)

    with pytest.raises(JsonSchemaError):
        operation.validate_response(response)
