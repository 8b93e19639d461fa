"""What OpenAI refuses is served by default, and refused as there under --strict-openai."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from jan_ort_openapi import operations
from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, EVERY_TASK, HELLO, Client, post, serving

MODEL = "reference"
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKING = {"role": "assistant", "content": None, "tool_calls": [CALL]}


def result(call_id: str) -> dict[str, str]:
    return {"role": "tool", "tool_call_id": call_id, "content": "ok"}


def chat(*messages: Any, model: str | None = MODEL) -> dict[str, Any]:
    return {"model": model, "messages": list(messages), "max_tokens": 1}


def message(*messages: Any, model: str | None = MODEL) -> dict[str, Any]:
    return {"model": model, "messages": list(messages), "max_tokens": 1}


def told(call_id: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call_id, "content": "ok"}]}


RESPONSES, MESSAGES, COUNT = "/v1/responses", "/v1/messages", "/v1/messages/count_tokens"
OLLAMA_CHAT, GENERATE, RERANK, SCORE = "/api/chat", "/api/generate", "/v1/rerank", "/v1/score"
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
USED = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}
TOOL = {"role": "tool", "content": "ok", "tool_call_id": "c1"}
SHORT = {"stream": False, "options": {"num_predict": 1}}
RANKED = {"query": "a", "documents": ["b"]}
ANSWERS_NOTHING = "messages.2.content.0.tool_use_id"
REFUSED = [
    (CHAT, chat(*HELLO, model="nope"), 404, "model_not_found", "model"),
    (CHAT, chat(*HELLO, model=None), 400, "missing_required_parameter", "model"),
    (CHAT, chat(*HELLO, model=""), 400, "missing_required_parameter", "model"),
    (CHAT, chat(), 400, "empty_array", "messages"),
    (CHAT, chat(*HELLO, result("c1")), 400, "invalid_value", "messages.1.tool_call_id"),
    (CHAT, chat(*HELLO, ASKING, result("c1"), result("c2")), 400, "invalid_value", "messages.3.tool_call_id"),
    (CHAT, chat(*HELLO, ASKING, *HELLO, result("c1")), 400, "invalid_value", "messages.3.tool_call_id"),
    (COMPLETIONS, {"model": "nope", "prompt": "a", "max_tokens": 1}, 404, "model_not_found", "model"),
    (COMPLETIONS, {"prompt": "a", "max_tokens": 1}, 400, "missing_required_parameter", "model"),
    (EMBEDDINGS, {"model": "nope", "input": "a"}, 404, "model_not_found", "model"),
    (EMBEDDINGS, {"input": "a"}, 400, "missing_required_parameter", "model"),
    (RESPONSES, {"model": "nope", "input": "a", "max_output_tokens": 1}, 404, "model_not_found", "model"),
    (RESPONSES, {"input": "a", "max_output_tokens": 1}, 400, "missing_required_parameter", "model"),
    (RESPONSES, {"model": MODEL, "max_output_tokens": 1}, 400, "empty_array", "input"),
    (RESPONSES, {"model": MODEL, "input": [OUTPUT], "max_output_tokens": 1}, 400, "invalid_value", "input.0.call_id"),
    (MESSAGES, message(*HELLO, model="nope"), 404, "model_not_found", "model"),
    (MESSAGES, message(*HELLO, model=None), 400, "missing_required_parameter", "model"),
    (MESSAGES, message(USED, told("a"), told("b")), 400, "invalid_value", ANSWERS_NOTHING),
    (COUNT, {"model": "nope", "messages": HELLO}, 404, "model_not_found", "model"),
    (COUNT, {"messages": HELLO}, 400, "missing_required_parameter", "model"),
    (COUNT, {"model": MODEL, "messages": [USED, told("a"), told("b")]}, 400, "invalid_value", ANSWERS_NOTHING),
    (OLLAMA_CHAT, {"model": "nope", "messages": HELLO} | SHORT, 404, "model_not_found", "model"),
    (OLLAMA_CHAT, {"messages": HELLO} | SHORT, 400, "missing_required_parameter", "model"),
    (OLLAMA_CHAT, {"model": "nope", "messages": []} | SHORT, 404, "model_not_found", "model"),
    (OLLAMA_CHAT, {"model": MODEL, "messages": [TOOL]} | SHORT, 400, "invalid_value", "messages.0.tool_call_id"),
    (GENERATE, {"model": "nope", "prompt": "a"} | SHORT, 404, "model_not_found", "model"),
    (GENERATE, {"model": "nope", "prompt": "a", "raw": True} | SHORT, 404, "model_not_found", "model"),
    (GENERATE, {"prompt": "a"} | SHORT, 400, "missing_required_parameter", "model"),
    ("/api/embed", {"model": "nope", "input": "a"}, 404, "model_not_found", "model"),
    ("/api/embeddings", {"prompt": "a"}, 400, "missing_required_parameter", "model"),
    (RERANK, RANKED | {"model": "nope"}, 404, "model_not_found", "model"),
    (RERANK, RANKED, 400, "missing_required_parameter", "model"),
    (SCORE, {"text_1": "a", "text_2": "b", "model": "nope"}, 404, "model_not_found", "model"),
    (SCORE, {"text_1": "a", "text_2": "b"}, 400, "missing_required_parameter", "model"),
]


@pytest.fixture
async def strict(short_turns: None) -> AsyncIterator[Client]:
    async with serving(**EVERY_TASK | {"strict_openai": True}) as app:
        yield app.test_client()


@pytest.fixture
async def lenient(short_turns: None) -> AsyncIterator[Client]:
    async with serving(**EVERY_TASK) as app:
        yield app.test_client()


@pytest.mark.parametrize(("path", "body", "status", "code", "param"), REFUSED)
async def test_it_is_served_by_default(
    lenient: Client, path: str, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    assert (await post(lenient, path, body))[0] == 200


@pytest.mark.parametrize(("path", "body", "status", "code", "param"), REFUSED)
async def test_it_is_refused_where_that_is_wanted(
    strict: Client, path: str, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    found, answer = await post(strict, path, body)

    about = answer["error"] if isinstance(answer["error"], dict) else answer
    assert (found, about["code"], about["param"]) == (status, code, param)


def test_every_operation_that_has_a_model_is_among_them() -> None:
    named = {each.path for each in operations() if each.request_model and "model" in each.request_model.model_fields}
    need_none = {each for each in named if each.startswith(("/extras/", "/models/", "/api/show"))}

    assert named - need_none == {path for path, _, _, _, param in REFUSED if param == "model"}


async def test_a_protocol_has_its_own_body_for_it(strict: Client) -> None:
    _, of_messages = await post(strict, MESSAGES, message(*HELLO, model="nope"))
    _, of_ollama = await post(strict, OLLAMA_CHAT, {"model": "nope", "messages": HELLO})

    assert (of_messages["type"], of_messages["error"]["type"]) == ("error", "not_found_error")
    assert "nope" in of_ollama["error"]


async def test_what_other_protocols_take_is_taken(strict: Client) -> None:
    for path, body in (
        (MESSAGES, message(*HELLO, USED, told("a"))),
        (OLLAMA_CHAT, {"model": f"{MODEL}:latest", "messages": HELLO} | SHORT),
        (OLLAMA_CHAT, {"model": MODEL, "messages": []} | SHORT),
        (RESPONSES, {"model": MODEL, "input": "a", "max_output_tokens": 1}),
        (RERANK, RANKED | {"model": "reference-reranker"}),
    ):
        assert (await post(strict, path, body))[0] == 200, path


async def test_what_openai_takes_is_taken(strict: Client) -> None:
    conversation = chat(*HELLO, ASKING, result("c1"), *HELLO)

    assert (await post(strict, CHAT, conversation))[0] == 200
    assert (await post(strict, "/extras/tokenize", {"input": "a"}))[0] == 200
