"""One way through: a conversation has the same tokens by each protocol, greedy and seeded, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.http.handlers.serving import CHAT, Client

Fields = dict[str, Any]

SYSTEM = "Be brief."
SAID = [("user", "Hello"), ("assistant", "Hi. What is it?"), ("user", "Tell me of birds.")]
MAX_TOKENS = 24
FUNCTION = {
    "name": "look",
    "description": "Look.",
    "parameters": {"type": "object", "properties": {"at": {"const": 1}}, "required": ["at"]},
}
SAMPLING: dict[str, Fields] = {
    "greedy": {"temperature": 0},
    "seeded": {"temperature": 1.5, "top_k": 0, "top_p": 1, "seed": 7},
    "by default": {"seed": 3},
}


@dataclass(frozen=True)
class Told:
    """What an answer says: its text, and how many tokens were read and generated."""

    text: str
    num_prompt: int
    num_generated: int


@dataclass(frozen=True)
class Protocol:
    """How a conversation is asked, with or without a tool to offer, and how answers and streams are read."""

    path: str
    body: Callable[[Fields, bool], Fields]
    whole: Callable[[Any], Told]
    streamed: Callable[[str], Told]


def turns() -> list[Fields]:
    return [{"role": role, "content": content} for role, content in SAID]


def chat_body(sampling: Fields, offers: bool) -> Fields:
    offered = {"tools": [{"type": "function", "function": FUNCTION}]} if offers else {}
    messages = [{"role": "system", "content": SYSTEM}, *turns()]
    return {"messages": messages, "max_tokens": MAX_TOKENS, **sampling, **offered}


def chat_whole(answer: Any) -> Told:
    usage = answer["usage"]
    return Told(answer["choices"][0]["message"]["content"], usage["prompt_tokens"], usage["completion_tokens"])


def chat_streamed(text: str) -> Told:
    chunks = [json.loads(each.removeprefix("data: ")) for each in text.split("\n\n")[:-2]]
    said = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    usage = chunks[-1]["usage"]
    return Told(said, usage["prompt_tokens"], usage["completion_tokens"])


def messages_body(sampling: Fields, offers: bool) -> Fields:
    tool = {"name": "look", "description": "Look.", "input_schema": FUNCTION["parameters"]}
    offered = {"tools": [tool]} if offers else {}
    return {"system": SYSTEM, "messages": turns(), "max_tokens": MAX_TOKENS, **sampling, **offered}


def messages_whole(answer: Any) -> Told:
    usage = answer["usage"]
    return Told("".join(each["text"] for each in answer["content"]), usage["input_tokens"], usage["output_tokens"])


def messages_streamed(text: str) -> Told:
    events = [json.loads(each.partition("data: ")[2]) for each in text.split("\n\n")[:-1]]
    said = "".join(each["delta"]["text"] for each in events if each["type"] == "content_block_delta")
    usage = events[-2]["usage"]
    return Told(said, usage["input_tokens"], usage["output_tokens"])


def ollama_body(sampling: Fields, offers: bool) -> Fields:
    offered = {"tools": [{"type": "function", "function": FUNCTION}]} if offers else {}
    messages = [{"role": "system", "content": SYSTEM}, *turns()]
    return {"messages": messages, "options": {"num_predict": MAX_TOKENS, **sampling}, **offered}


def ollama_whole(answer: Any) -> Told:
    return Told(answer["message"]["content"], answer["prompt_eval_count"], answer["eval_count"])


def ollama_streamed(text: str) -> Told:
    lines = [json.loads(each) for each in text.splitlines()]
    said = "".join(each["message"]["content"] for each in lines)
    return Told(said, lines[-1]["prompt_eval_count"], lines[-1]["eval_count"])


PROTOCOLS = {
    "chat": Protocol(CHAT, chat_body, chat_whole, chat_streamed),
    "messages": Protocol("/v1/messages", messages_body, messages_whole, messages_streamed),
    "ollama": Protocol("/api/chat", ollama_body, ollama_whole, ollama_streamed),
}


async def asked(client: Client, protocol: Protocol, body: Fields, *, stream: bool) -> Told:
    more = {"stream_options": {"include_usage": True}} if stream and protocol.path == CHAT else {}
    response = await client.post(protocol.path, json=body | {"stream": stream} | more)
    text = await response.get_data(as_text=True)
    assert response.status_code == 200, text
    return protocol.streamed(text) if stream else protocol.whole(json.loads(text))


@pytest.mark.parametrize("name", [each for each in PROTOCOLS if each != "chat"])
@pytest.mark.parametrize("sampling", SAMPLING)
@pytest.mark.parametrize("offers", [False, True], ids=["plain", "with a tool"])
async def test_each_protocol_says_what_a_chat_does(client: Client, name: str, sampling: str, offers: bool) -> None:
    protocol, fields = PROTOCOLS[name], SAMPLING[sampling]
    chat = PROTOCOLS["chat"]
    expected = await asked(client, chat, chat.body(fields, offers), stream=False)

    for stream in (False, True):
        assert await asked(client, protocol, protocol.body(fields, offers), stream=stream) == expected
    assert expected == await asked(client, chat, chat.body(fields, offers), stream=True)
    assert expected.num_generated == MAX_TOKENS
