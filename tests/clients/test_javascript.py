"""OpenAI's JavaScript client, run by Node.js."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.clients import node
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
    completion_text,
    hello,
    hello_text,
    vector,
)
from tests.e2e.server_process import ServerProcess

node.need("openai")

HELLO_BODY = {"model": REFERENCE, "messages": [{"role": "user", "content": HELLO}], "temperature": 0}
SHORT = HELLO_BODY | {"max_tokens": MAX_TOKENS}
TOOL = {"type": "function", "function": {"name": "tell_capital", "parameters": Capital.model_json_schema()}}
NAMED = {"type": "function", "function": {"name": "tell_capital"}}
FORCED = HELLO_BODY | {"max_tokens": MAX_STRUCTURED_TOKENS, "tools": [TOOL], "tool_choice": NAMED}


def ask(server: ServerProcess, name: str, body: dict[str, Any], key: str = KEY) -> dict[str, Any]:
    """Return what the script's part of that name printed: its answer, or the error it raised."""
    return node.run("ask.cjs", name, {"baseURL": f"{server.url}/v1", "apiKey": key, "body": body})


def answer_to(server: ServerProcess, name: str, body: dict[str, Any]) -> Any:
    said = ask(server, name, body)
    assert "error" not in said, said
    return said["answer"]


def test_chat(reference: ServerProcess) -> None:
    answer = answer_to(reference, "chat", SHORT)

    assert answer["choices"] == hello(reference)["choices"]
    assert answer["usage"]["completion_tokens"] == MAX_TOKENS


def test_stream_with_usage(reference: ServerProcess) -> None:
    chunks = answer_to(reference, "chatStream", SHORT | {"stream_options": {"include_usage": True}})

    deltas = [choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"]]
    assert "".join(deltas) == hello_text(reference)
    assert chunks[-1]["usage"]["completion_tokens"] == MAX_TOKENS


def test_completion(reference: ServerProcess) -> None:
    body = {"model": REFERENCE, "prompt": HELLO, "max_tokens": MAX_TOKENS, "temperature": 0}

    assert answer_to(reference, "completion", body)["choices"][0]["text"] == completion_text(reference)


def test_embedding(reference: ServerProcess) -> None:
    answer = answer_to(reference, "embedding", {"model": REFERENCE, "input": ["the sun"]})

    assert np.allclose(answer["data"][0]["embedding"], vector(reference, "the sun"), atol=1e-6)


def test_models(reference: ServerProcess) -> None:
    assert answer_to(reference, "models", {}) == [REFERENCE]


def test_a_wrong_key_is_an_authentication_error(reference: ServerProcess) -> None:
    error = ask(reference, "chat", SHORT, key="wrong")["error"]

    assert (error["name"], error["status"], error["code"]) == ("AuthenticationError", 401, "invalid_api_key")


def test_an_unknown_model_is_not_found(reference: ServerProcess) -> None:
    error = ask(reference, "model", {"model": "nobody"})["error"]

    assert (error["name"], error["status"], error["code"]) == ("NotFoundError", 404, "model_not_found")


@pytest.mark.parametrize("name", ["chat", "chatStream"])
def test_an_overlong_prompt_is_a_bad_request(reference: ServerProcess, name: str) -> None:
    error = ask(reference, name, SHORT | {"messages": [{"role": "user", "content": OVERLONG}]})["error"]

    assert (error["name"], error["status"], error["code"]) == ("BadRequestError", 400, "context_length_exceeded")


def test_answer_in_the_asked_form(reference: ServerProcess) -> None:
    schema = {"name": "Capital", "schema": Capital.model_json_schema(), "strict": True}
    asked_for = {"response_format": {"type": "json_schema", "json_schema": schema}}

    answer = answer_to(reference, "chat", HELLO_BODY | asked_for | {"max_tokens": MAX_STRUCTURED_TOKENS})

    assert json.loads(answer["choices"][0]["message"]["content"]) == PARIS.model_dump()


def test_tool_is_run_with_the_models_arguments(reference: ServerProcess) -> None:
    assert answer_to(reference, "tool", FORCED) == [PARIS.model_dump()]


def test_streamed_tool_call(reference: ServerProcess) -> None:
    choice = answer_to(reference, "toolStream", FORCED)

    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(call["function"]["arguments"]) == PARIS.model_dump()


@pytest.mark.weights
def test_real_weights_know_paris(weights: ServerProcess) -> None:
    body = {"model": CHAT, "messages": [{"role": "user", "content": FRANCE}], "temperature": 0, "max_tokens": 30}

    assert "Paris" in answer_to(weights, "chat", body)["choices"][0]["message"]["content"]
