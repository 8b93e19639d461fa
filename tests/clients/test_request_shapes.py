"""Bodies in the shape that Open WebUI (native tools) and Continue (agent mode) send: a tool round trip, streamed.

Neither installs as a library; the shapes are those of their public sources, the words are ours.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.clients.direct import CHAT, KEY
from tests.clients.round_trip import (
    EARLIER,
    FOLLOW_UP,
    INSTRUCTIONS,
    NAME,
    TOLD,
    TOOL,
    expected_answers,
)
from tests.e2e.server_process import ServerProcess

MAX_TOKENS = 32
"""Enough for one call, and little: this file is in every run of the suite."""

EMPTY = {"open-webui": "", "continue": " "}
"""The content of an assistant's message that only calls: Continue's is never empty."""

SAMPLING = {
    "open-webui": {"temperature": 0, "stream_options": {"include_usage": True}},
    "continue": {
        "temperature": 0,
        "top_p": 1,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "stop": ["<|endoftext|>"],
    },
}
HEADERS = {
    "open-webui": {"X-OpenWebUI-User-Name": "Ada", "X-OpenWebUI-User-Role": "user", "X-OpenWebUI-Chat-Id": "1"},
    "continue": {"x-api-key": KEY, "api-key": KEY, "Accept": "application/json"},
}


def streamed(server: ServerProcess, client: str, messages: list[Any], **more: Any) -> tuple[str, list[Any]]:
    """Return the text and the calls of the stream's deltas, joined as both clients do: by a call's index."""
    body = {"model": CHAT, "messages": messages, "stream": True, "tools": [TOOL], "max_tokens": MAX_TOKENS}
    headers = HEADERS[client] | {"Authorization": f"Bearer {KEY}"}
    asked = {"json": body | SAMPLING[client] | more, "headers": headers, "timeout": 60}
    text, calls = "", {}
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", **asked) as answer:
        answer.raise_for_status()
        events = [line[6:] for line in answer.iter_lines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    for choice in (choice for event in events for choice in json.loads(event)["choices"]):
        text += choice["delta"].get("content") or ""
        for part in choice["delta"].get("tool_calls") or []:
            call = calls.setdefault(part["index"], {"function": {"name": "", "arguments": ""}})
            call |= {key: part[key] for key in ("id", "type") if key in part}
            for key, piece in part["function"].items():
                call["function"][key] += piece
    return text, list(calls.values())


@pytest.mark.weights
@pytest.mark.parametrize("client", ["open-webui", "continue"])
def test_round_trip(weights: ServerProcess, client: str) -> None:
    named = {"tool_choice": {"type": "function", "function": {"name": NAME}}}
    turns: list[Any] = [{"role": "system", "content": INSTRUCTIONS}, *EARLIER]

    text, calls = streamed(weights, client, turns, **named)
    turns.append({"role": "assistant", "content": text or EMPTY[client], "tool_calls": calls})
    cities = [json.loads(call["function"]["arguments"])["city"] for call in calls]
    for call, city in zip(calls, cities, strict=True):
        turns.append({"role": "tool", "tool_call_id": call["id"], "content": TOLD.format(city=city)})
    first, _ = streamed(weights, client, turns)
    said = [{"type": "text", "text": first}] if client == "continue" else first
    turns += [{"role": "assistant", "content": said}, {"role": "user", "content": FOLLOW_UP}]
    second, _ = streamed(weights, client, turns)

    content = EMPTY[client]
    assert [first, second] == expected_answers(weights, cities, first, content=content, max_tokens=MAX_TOKENS)
