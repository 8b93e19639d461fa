"""Every protocol is a reading and an answering of one engine: the same conversation has the same tokens by each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.http.handlers.serving import CHAT, Client, post

TOOL: dict[str, Any] = {
    "name": "get_weather",
    "description": "Get the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]},
}
CALL = {"id": "call_1", "name": "get_weather", "arguments": '{"city": "Paris"}'}


@dataclass(frozen=True)
class Conversation:
    """What is asked, however a protocol spells it: turns are (role, text), ("call", "") or ("result", text)."""

    turns: tuple[tuple[str, str], ...]
    system: str | None = None
    has_tool: bool = False
    must_call: bool = False


@dataclass(frozen=True)
class Answer:
    """What is answered: text, calls, and the tokens that were read and generated."""

    text: str
    calls: tuple[tuple[str, str], ...]
    num_read: int
    num_generated: int
    is_cut: bool


@dataclass(frozen=True)
class Spoken:
    """A protocol: its path, how it asks, and how its answer is read."""

    path: str
    body: Callable[[Conversation], dict[str, Any]]
    limit: str
    read: Callable[[Any], Answer]


def chat_body(asked: Conversation) -> dict[str, Any]:
    call = {"id": CALL["id"], "type": "function", "function": {name: CALL[name] for name in ("name", "arguments")}}
    messages: list[dict[str, Any]] = [] if asked.system is None else [{"role": "system", "content": asked.system}]
    for kind, text in asked.turns:
        if kind == "call":
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif kind == "result":
            messages.append({"role": "tool", "tool_call_id": CALL["id"], "content": text})
        else:
            messages.append({"role": kind, "content": text})
    tools = {"tools": [{"type": "function", "function": TOOL}]} if asked.has_tool else {}
    return {"messages": messages, **tools, **({"tool_choice": "required"} if asked.must_call else {})}


def chat_answer(answer: Any) -> Answer:
    (choice,) = answer["choices"]
    calls = [each["function"] for each in choice["message"].get("tool_calls", ())]
    return Answer(
        choice["message"]["content"] or "",
        tuple((each["name"], each["arguments"]) for each in calls),
        answer["usage"]["prompt_tokens"],
        answer["usage"]["completion_tokens"],
        choice["finish_reason"] == "length",
    )


def responses_body(asked: Conversation) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for kind, text in asked.turns:
        if kind == "call":
            items.append({"type": "function_call", "call_id": CALL["id"]} | {n: CALL[n] for n in ("name", "arguments")})
        elif kind == "result":
            items.append({"type": "function_call_output", "call_id": CALL["id"], "output": text})
        else:
            items.append({"role": kind, "content": text})
    tools = {"tools": [{"type": "function", **TOOL}]} if asked.has_tool else {}
    more = {"tool_choice": "required"} if asked.must_call else {}
    return {"input": items, "instructions": asked.system, **tools, **more}


def responses_answer(answer: Any) -> Answer:
    texts = [part["text"] for item in answer["output"] if item["type"] == "message" for part in item["content"]]
    calls = [item for item in answer["output"] if item["type"] == "function_call"]
    return Answer(
        "".join(texts),
        tuple((each["name"], each["arguments"]) for each in calls),
        answer["usage"]["input_tokens"],
        answer["usage"]["output_tokens"],
        answer["status"] == "incomplete",
    )


PROTOCOLS = {
    "responses": Spoken("/v1/responses", responses_body, "max_output_tokens", responses_answer),
}
"""The protocols that are compared with chats: a new one is a line."""

CONVERSATIONS = {
    "question": Conversation((("user", "Hello"),)),
    "instructed": Conversation((("user", "Hello"),), system="Be brief."),
    "turns": Conversation((("user", "Hello"), ("assistant", "Yes?"), ("user", "Who are you?")), system="Be brief."),
    "tool": Conversation((("user", "Weather?"),), has_tool=True),
    "forced": Conversation((("user", "Weather?"),), has_tool=True, must_call=True),
    "result": Conversation((("user", "Weather?"), ("call", ""), ("result", "Sunny")), has_tool=True),
}
SAMPLING: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0},
    "seeded": {"temperature": 1.2, "seed": 11},
    "cut": {"temperature": 0, "top_p": 0.5},
}


@pytest.mark.parametrize("sampling", SAMPLING)
@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_same_conversation_has_the_same_tokens(
    client: Client, protocol: str, conversation: str, sampling: str
) -> None:
    spoken, asked, drawn = PROTOCOLS[protocol], CONVERSATIONS[conversation], SAMPLING[sampling]
    limit = 120 if asked.must_call else 24

    _, by_chat = await post(client, CHAT, chat_body(asked) | drawn | {"max_tokens": limit})
    status, by_other = await post(client, spoken.path, spoken.body(asked) | drawn | {spoken.limit: limit})

    assert status == 200, by_other
    expected = chat_answer(by_chat)
    assert spoken.read(by_other) == expected
    assert expected.num_generated > 0
    assert all(json.loads(arguments)["city"] in ("Paris", "Rome") for _, arguments in expected.calls)
