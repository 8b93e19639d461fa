"""Requests of Ollama's shape, their answers, and the lines of their streams."""

from __future__ import annotations

import json
from typing import Any

from tests.http.handlers.serving import HELLO, Client, post

CHAT, GENERATE, EMBED, EMBEDDINGS, SHOW = ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show")
OPTIONS: dict[str, Any] = {"num_predict": 24, "temperature": 0, "repeat_penalty": 1}
FREE: dict[str, Any] = {"temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0, "repeat_penalty": 1, "seed": 7}
BODY: dict[str, dict[str, Any]] = {
    CHAT: {"messages": HELLO, "options": OPTIONS},
    GENERATE: {"prompt": "Hello", "options": OPTIONS},
    EMBED: {"input": "Hello"},
    EMBEDDINGS: {"prompt": "Hello"},
    SHOW: {},
}
STATISTICS = ("total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count")


async def answered(client: Client, path: str = CHAT, **fields: Any) -> Any:
    """Return the answer to a request, which its stream's lines put together alike."""
    status, answer = await post(client, path, BODY[path] | fields | {"stream": False})
    assert status == 200, answer
    lines = await streamed(client, path, **fields)
    assert [each["done"] for each in lines] == [*([False] * (len(lines) - 1)), True]
    assert text_of(lines) == text_of([answer])
    assert lines[-1]["done_reason"] == answer["done_reason"]
    assert lines[-1].get("eval_count") == answer.get("eval_count")
    return answer


async def streamed(client: Client, path: str = CHAT, **fields: Any) -> list[Any]:
    """Return the lines of a stream, which is what a request gets that says nothing of it."""
    response = await client.post(path, json=BODY[path] | fields)
    text = await response.get_data(as_text=True)
    assert response.content_type == "application/x-ndjson", text
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def text_of(lines: list[Any]) -> str:
    """Return the text of lines."""
    return "".join(each["message"]["content"] if "message" in each else each["response"] for each in lines)


async def said(client: Client, path: str = CHAT, **fields: Any) -> str:
    return text_of([await answered(client, path, **fields)])


async def refused(client: Client, path: str = CHAT, **fields: Any) -> str:
    """Return the field that the answer to a request names that must be refused."""
    status, answer = await post(client, path, BODY[path] | fields)
    assert status == 400, answer
    param: str = answer["param"]
    assert param in answer["error"]
    return param
