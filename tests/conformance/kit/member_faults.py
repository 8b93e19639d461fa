"""Planted faults in nested fields: a server that takes one member for the same, whatever is sent."""

from __future__ import annotations

import json
from typing import Any

from jan_ort_conformance.http.check_tools.member_values import CONVERSATION, FORMS, Member
from tests.conformance.kit.faults import Exchange, Fault

COMPLETIONS, CHAT, COUNT = "/v1/completions", "/v1/chat/completions", "/extras/tokenize/count"

_FUNCTION = {"name": "look", "arguments": "{}", "parameters": {}}
REQUIRED: dict[str, object] = {
    "role": "user",
    "content": "Hello",
    "content.type": "text",
    "content.thinking": "Which story?",
    "thinking.type": "text",
    "text": "Hello",
    "id": "abcdef123",
    "type": "function",
    "function": _FUNCTION,
    "name": "look",
    "arguments": "{}",
    "tool_call_id": "abcdef123",
    "parameters": {},
    "response_format.type": "json_object",
    "json_schema": {"name": "x", "schema": {}},
    "json_schema.name": "x",
    "json_schema.schema": {},
    "function_call": _FUNCTION,
}
"""What a member is taken for that a request cannot leave out, by the end of its name; any other is dropped."""

OPTIONAL = {"messages.name"}


def _constant(name: str) -> object:
    ends = sorted((end for end in REQUIRED if name == end or name.endswith(f".{end}")), key=len)
    return REQUIRED[ends[-1]] if ends and name not in OPTIONAL else None


def _fix(value: Any, parts: list[str], constant: object) -> None:
    """Set the member at the path to the constant wherever it is, or drop it for None."""
    if isinstance(value, list):
        for each in value:
            _fix(each, parts, constant)
    elif isinstance(value, dict) and parts[0] in value:
        if len(parts) > 1:
            _fix(value[parts[0]], parts[1:], constant)
        elif constant is None:
            del value[parts[0]]
        else:
            value[parts[0]] = constant


def ignoring(path: str, kind: str, name: str, check: str = "") -> Fault:
    """The server ignores a member of the requests to one operation."""

    def change(exchange: Exchange) -> None:
        fields = exchange.fields
        if exchange.path == path and fields:
            _fix(fields, name.split("."), _constant(name))
            exchange.body = json.dumps(fields).encode()

    return Fault(f"ignores_{kind}.{name}", check or f"field.{kind}.{name}", before=change)


def without_images(exchange: Exchange) -> None:
    """Leave the parts that are images out."""
    fields = exchange.fields
    for message in fields.get("messages", ()):
        if isinstance(message, dict) and isinstance(message.get("content"), list):
            message["content"] = [each for each in message["content"] if each.get("type") != "image_url"]
    if fields:
        exchange.body = json.dumps(fields).encode()


def _of(members: list[Member], path: str, kind: str) -> list[Fault]:
    return [ignoring(path, kind, member.name) for member in members]


MEMBER_FAULTS: list[Fault] = [
    *_of([*CONVERSATION, *FORMS], CHAT, "chat"),
    *_of(FORMS, COMPLETIONS, "completions"),
    *_of(CONVERSATION, COUNT, "count"),
    *(
        Fault(f"drops_images_{kind}.{name}", f"field.{kind}.messages.content.{name}", before=without_images)
        for kind in ("chat", "count")
        for name in ("image_url", "image_url.url", "image_url.detail")
    ),
    Fault("drops_images", "field.chat.images", before=without_images),
    ignoring(COMPLETIONS, "completions", "stream_options.include_usage", "field.completions.stream_options"),
    ignoring(CHAT, "chat", "stream_options.include_usage", "field.chat.stream_options"),
    Fault("counts_without_tools", "count.is_the_prompt_of_any_chat", before=ignoring(COUNT, "count", "tools").before),
]
