"""What OpenAI refuses is served by default, and refused as there under --strict-openai."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, HELLO, Client, post, serving

MODEL = "reference"
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKING = {"role": "assistant", "content": None, "tool_calls": [CALL]}


def result(call_id: str) -> dict[str, str]:
    return {"role": "tool", "tool_call_id": call_id, "content": "ok"}


def chat(*messages: Any, model: str | None = MODEL) -> dict[str, Any]:
    return {"model": model, "messages": list(messages), "max_tokens": 1}


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
]


@pytest.fixture
async def strict(short_turns: None) -> AsyncIterator[Client]:
    async with serving(strict_openai=True) as app:
        yield app.test_client()


@pytest.mark.parametrize(("path", "body", "status", "code", "param"), REFUSED)
async def test_it_is_served_by_default(
    client: Client, path: str, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    assert (await post(client, path, body))[0] == 200


@pytest.mark.parametrize(("path", "body", "status", "code", "param"), REFUSED)
async def test_it_is_refused_where_that_is_wanted(
    strict: Client, path: str, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    found, answer = await post(strict, path, body)

    assert (found, answer["error"]["code"], answer["error"]["param"]) == (status, code, param)


async def test_what_openai_takes_is_taken(strict: Client) -> None:
    conversation = chat(*HELLO, ASKING, result("c1"), *HELLO)

    assert (await post(strict, CHAT, conversation))[0] == 200
    assert (await post(strict, "/extras/tokenize", {"input": "a"}))[0] == 200
