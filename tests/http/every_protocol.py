"""How each protocol asks one conversation, and how its answers and streams are read: a new protocol is a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.http.handlers.serving import CHAT, events

Fields = dict[str, Any]

TOOL: Fields = {
    "name": "get_weather",
    "description": "Get the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]},
}
CALL_ID, ARGUMENTS = "call_1", {"city": "Paris"}


@dataclass(frozen=True)
class Conversation:
    """What is asked, however a protocol spells it: turns are (role, text), ("call", "") or ("result", text)."""

    turns: tuple[tuple[str, str], ...]
    system: str | None = None
    has_tool: bool = False
    must_call: bool = False


@dataclass(frozen=True)
class Told:
    """What an answer says: its text, its calls, how many tokens were read and generated, and whether it was cut."""

    text: str
    calls: list[tuple[str, Any]]
    num_read: int
    num_generated: int
    is_cut: bool


@dataclass(frozen=True)
class Protocol:
    """How a conversation is asked with its limit and sampling, and how answers and streams are read."""

    path: str
    body: Callable[[Conversation, int, Fields], Fields]
    whole: Callable[[Any], Told]
    streamed: Callable[[str], Told]
    can_force: bool = True


def spelled(asked: Conversation, called: Fields, told: Fields) -> list[Fields]:
    """Return the turns, of which a call and its result are as the protocol spells them; the result's text is added."""
    return [
        called if kind == "call" else told | {"content": text} if kind == "result" else {"role": kind, "content": text}
        for kind, text in asked.turns
    ]


def chat_messages(asked: Conversation, arguments: Any) -> list[Fields]:
    call = {"id": CALL_ID, "type": "function", "function": {"name": TOOL["name"], "arguments": arguments}}
    called = {"role": "assistant", "content": "", "tool_calls": [call]}
    system = [] if asked.system is None else [{"role": "system", "content": asked.system}]
    return system + spelled(asked, called, {"role": "tool", "tool_call_id": CALL_ID})


def chat_body(asked: Conversation, limit: int, sampling: Fields) -> Fields:
    tools = {"tools": [{"type": "function", "function": TOOL}]} if asked.has_tool else {}
    forced = {"tool_choice": "required"} if asked.must_call else {}
    return {"messages": chat_messages(asked, json.dumps(ARGUMENTS)), "max_tokens": limit} | tools | forced | sampling


def chat_told(said: Fields, usage: Fields, reason: str) -> Told:
    functions = [call["function"] for call in said.get("tool_calls") or []]
    calls = [(each["name"], json.loads(each["arguments"])) for each in functions]
    return Told(said["content"] or "", calls, usage["prompt_tokens"], usage["completion_tokens"], reason == "length")


def chat_whole(answer: Any) -> Told:
    (choice,) = answer["choices"]
    return chat_told(choice["message"], answer["usage"], choice["finish_reason"])


def chat_streamed(text: str) -> Told:
    *chunks, last = events(text)[:-1]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    content = "".join(delta.get("content") or "" for delta in deltas)
    calls: list[Fields] = []
    for part in (each for delta in deltas for each in delta.get("tool_calls") or []):
        if part["index"] == len(calls):
            calls.append({"function": {"name": part["function"]["name"], "arguments": ""}})
        calls[part["index"]]["function"]["arguments"] += part["function"].get("arguments") or ""
    said = {"content": content, "tool_calls": calls}
    return chat_told(said, last["usage"], chunks[-1]["choices"][0]["finish_reason"])


def responses_body(asked: Conversation, limit: int, sampling: Fields) -> Fields:
    call = {"name": TOOL["name"], "arguments": json.dumps(ARGUMENTS)}
    items = spelled(asked, {"type": "function_call", "call_id": CALL_ID} | call, {"call_id": CALL_ID})
    for item in items:
        if "role" not in item and "type" not in item:
            item |= {"type": "function_call_output", "output": item.pop("content")}
    tools = {"tools": [{"type": "function", **TOOL}]} if asked.has_tool else {}
    forced = {"tool_choice": "required"} if asked.must_call else {}
    said = {"input": items, "instructions": asked.system, "max_output_tokens": limit}
    return said | tools | forced | sampling


def responses_whole(answer: Any) -> Told:
    messages = [item for item in answer["output"] if item["type"] == "message"]
    calls = [item for item in answer["output"] if item["type"] == "function_call"]
    return Told(
        "".join(part["text"] for item in messages for part in item["content"]),
        [(each["name"], json.loads(each["arguments"])) for each in calls],
        answer["usage"]["input_tokens"],
        answer["usage"]["output_tokens"],
        answer["status"] == "incomplete",
    )


def named_events(text: str) -> list[Any]:
    frames = [each.partition("data: ")[2] for each in text.split("\n\n")[:-1]]
    return [json.loads(each) for each in frames if each != "[DONE]"]


def responses_streamed(text: str) -> Told:
    found = named_events(text)
    told = responses_whole(found[-1]["response"])
    assert "".join(each["delta"] for each in found if each["type"] == "response.output_text.delta") == told.text
    return told


def messages_body(asked: Conversation, limit: int, sampling: Fields) -> Fields:
    used = {"type": "tool_use", "id": CALL_ID, "name": TOOL["name"], "input": ARGUMENTS}
    turns = spelled(asked, {"role": "assistant", "content": [used]}, {})
    for turn in (each for each in turns if "role" not in each):
        result = {"type": "tool_result", "tool_use_id": CALL_ID, "content": turn["content"]}
        turn |= {"role": "user", "content": [result]}
    tool = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["parameters"]}
    tools = {"tools": [tool]} if asked.has_tool else {}
    forced = {"tool_choice": {"type": "any"}} if asked.must_call else {}
    system = {} if asked.system is None else {"system": asked.system}
    return {"messages": turns, "max_tokens": limit} | system | tools | forced | sampling


def messages_told(blocks: list[Fields], usage: Fields, reason: str) -> Told:
    text = "".join(each["text"] for each in blocks if each["type"] == "text")
    calls = [(each["name"], each["input"]) for each in blocks if each["type"] == "tool_use"]
    return Told(text, calls, usage["input_tokens"], usage["output_tokens"], reason == "max_tokens")


def messages_whole(answer: Any) -> Told:
    return messages_told(answer["content"], answer["usage"], answer["stop_reason"])


def messages_streamed(text: str) -> Told:
    found = named_events(text)
    blocks = [each["content_block"] | {"json": ""} for each in found if each["type"] == "content_block_start"]
    for each in (event for event in found if event["type"] == "content_block_delta"):
        block, delta = blocks[each["index"]], each["delta"]
        name, part = ("text", delta["text"]) if "text" in delta else ("json", delta["partial_json"])
        block[name] += part
    for block in (each for each in blocks if each["json"]):
        block["input"] = json.loads(block["json"])
    return messages_told(blocks, found[-2]["usage"], found[-2]["delta"]["stop_reason"])


def ollama_body(asked: Conversation, limit: int, sampling: Fields) -> Fields:
    call = {"function": {"name": TOOL["name"], "arguments": ARGUMENTS}}
    called = {"role": "assistant", "content": "", "tool_calls": [call]}
    system = [] if asked.system is None else [{"role": "system", "content": asked.system}]
    turns = system + spelled(asked, called, {"role": "tool", "tool_name": TOOL["name"]})
    tools = {"tools": [{"type": "function", "function": TOOL}]} if asked.has_tool else {}
    return {"messages": turns, "options": {"num_predict": limit, **sampling}} | tools


def ollama_told(parts: list[Any]) -> Told:
    functions = [call["function"] for part in parts for call in part["message"].get("tool_calls") or []]
    calls = [(each["name"], each["arguments"]) for each in functions]
    text, last = "".join(part["message"]["content"] for part in parts), parts[-1]
    return Told(text, calls, last["prompt_eval_count"], last["eval_count"], last["done_reason"] == "length")


def ollama_whole(answer: Any) -> Told:
    return ollama_told([answer])


def ollama_streamed(text: str) -> Told:
    return ollama_told([json.loads(line) for line in text.splitlines()])


PROTOCOLS = {
    "chat": Protocol(CHAT, chat_body, chat_whole, chat_streamed),
    "responses": Protocol("/v1/responses", responses_body, responses_whole, responses_streamed),
    "messages": Protocol("/v1/messages", messages_body, messages_whole, messages_streamed),
    "ollama": Protocol("/api/chat", ollama_body, ollama_whole, ollama_streamed, can_force=False),
}
