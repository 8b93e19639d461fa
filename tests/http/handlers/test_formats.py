"""Every format over HTTP: called, forced, streamed and cut, with the format's markers as special tokens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.chat.formats.answers import EXAMPLES
from tests.chat.tools.parsing import BY_NAME, PARAMETERS
from tests.http.handlers.serving import CHAT, HELLO, Client, post, serving, stream
from tests.http.scripted import Script, model_folder, scripted

STRICT = PARAMETERS | {"required": ["city", "days"], "additionalProperties": False}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": STRICT}},
    {"type": "function", "function": {"name": "now", "parameters": {}}},
]
BODY: dict[str, Any] = {"messages": HELLO, "tools": TOOLS, "max_tokens": 300, "temperature": 0, "repeat_penalty": 1}
CALLS = [("weather", {"city": "Bern", "days": 3}), ("now", {})]
SPECIAL = frozenset(
    {"mistral", "mistral_args", "deepseek", "deepseek_bare", "kimi", "harmony", "granite", "phi4", "lfm2", "command_r"}
)
"""Formats whose markers are special tokens; in the others' vocabularies they are none, or are not marked as such."""


@pytest.fixture(params=sorted(EXAMPLES))
async def served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[str, Client, Script]]:
    name = request.param
    markers = BY_NAME[name].markers if name in SPECIAL else ()
    folder = model_folder(tmp_path, EXAMPLES[name].template, markers)
    script = scripted(monkeypatch, folder)
    async with serving(model=str(folder)) as app:
        yield name, app.test_client(), script


def called(message: dict[str, Any]) -> list[tuple[str, Any]]:
    functions = [each["function"] for each in message.get("tool_calls", [])]
    return [(each["name"], json.loads(each["arguments"])) for each in functions]


async def test_calls_are_made_forced_and_cut(served: tuple[str, Client, Script]) -> None:
    name, client, script = served
    example = EXAMPLES[name]
    script.say(example.answer.removesuffix("<|call|>"))
    expected = CALLS[: example.num_calls]

    for choice in ("auto", "required"):
        status, answer = await post(client, CHAT, BODY | {"tool_choice": choice})
        assert status == 200, answer
        message = answer["choices"][0]["message"]
        wanted = expected if choice == "auto" or name != "llama3" else CALLS[:1]
        assert (called(message), message["content"] or "") == (wanted, ""), choice
        assert answer["choices"][0]["finish_reason"] == "tool_calls"

    chunks = await stream(client, CHAT, BODY)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk != "[DONE]"]
    assert "".join(delta.get("content") or "" for delta in deltas).strip() == ""
    pieces = [each for delta in deltas for each in delta.get("tool_calls", [])]
    for index, (_, arguments) in enumerate(expected):
        text = "".join(each["function"]["arguments"] for each in pieces if each["index"] == index)
        assert json.loads(text) == arguments
    for max_tokens in (1, 2, 3, 5, 8, 13, 21, 34):
        _, cut = await post(client, CHAT, BODY | {"max_tokens": max_tokens})
        assert not (cut["choices"][0]["message"]["content"] or "").strip(), cut


async def test_a_conversation_with_calls_is_taken_back(served: tuple[str, Client, Script]) -> None:
    name, client, script = served
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": each, "arguments": json.dumps(arguments)}}
        for n, (each, arguments) in enumerate(CALLS)
    ]
    results = [{"role": "tool", "tool_call_id": f"c{n}", "content": "Sunny."} for n in range(2)]
    messages = [*HELLO, {"role": "assistant", "content": "So.", "tool_calls": calls}, *results, *HELLO]
    script.say("<|channel|>final<|message|>Fine." if name == "harmony" else "Fine.")

    status, answer = await post(client, CHAT, BODY | {"messages": messages, "max_tokens": 20})

    assert status == 200, answer
    assert answer["choices"][0]["message"]["content"] == "Fine."


async def test_a_forced_call_is_whole_at_any_limit_that_leaves_room(served: tuple[str, Client, Script]) -> None:
    _, client, script = served
    script.say("On and on. " * 40)

    for max_tokens in (90, 110):
        _, answer = await post(client, CHAT, BODY | {"tool_choice": "required", "max_tokens": max_tokens})

        message = answer["choices"][0]["message"]
        assert not message["content"]
        calls = called(message)
        assert calls
        assert all(jsonschema_rs.is_valid(STRICT, each) for name, each in calls if name == "weather")
