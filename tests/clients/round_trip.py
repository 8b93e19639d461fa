"""The round trip of every agent: a question after other turns, a call, its result, the answer, and one turn more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.clients.direct import ask
from tests.e2e.server_process import ServerProcess

INSTRUCTIONS = "You are a helpful assistant."
EARLIER: list[dict[str, Any]] = [
    {"role": "user", "content": "Hello, my name is Ada."},
    {"role": "assistant", "content": "Hello Ada! How can I help you?"},
    {"role": "user", "content": "What is the weather in Paris?"},
]
FOLLOW_UP = "Thank you. What should I wear?"
TOLD = "Sunny, 22 degrees in {city}."

NAME, DESCRIPTION = "get_weather", "Get the weather of a city."
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": NAME, "description": DESCRIPTION, "parameters": PARAMETERS}}

MAX_TOKENS = 80
"""Enough for the calls that are forced; an answer may be cut at it."""


def expected_answers(
    server: ServerProcess,
    cities: Sequence[str],
    answer: str,
    tool: Any = TOOL,
    content: str | None = None,
    max_tokens: int = MAX_TOKENS,
) -> list[str]:
    """Return what plain HTTP answers to what the tool told of ``cities``, and to the follow-up after ``answer``.

    ``tool`` is as the client describes it, and ``content`` what it writes beside a call: every word is in the prompt.
    """
    assert cities, "the tool was not run"
    calls = [_call(f"call_{index}", city) for index, city in enumerate(cities)]
    asked = {"role": "assistant", "content": content, "tool_calls": calls}
    messages = [{"role": "system", "content": INSTRUCTIONS}, *EARLIER, asked]
    for call, city in zip(calls, cities, strict=True):
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": TOLD.format(city=city)})
    thanks = [{"role": "assistant", "content": answer}, {"role": "user", "content": FOLLOW_UP}]
    options = {"tools": [tool], "temperature": 0, "max_tokens": max_tokens}
    return [_text(server, turns, options) for turns in (messages, [*messages, *thanks])]


def _call(call_id: str, city: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": NAME, "arguments": json.dumps({"city": city})}}


def _text(server: ServerProcess, messages: list[dict[str, Any]], options: dict[str, Any]) -> str:
    text: str = ask(server, "chat/completions", messages=messages, **options)["choices"][0]["message"]["content"]
    assert text
    return text
