"""The members of nested request fields, each with values that a server which reads it tells apart, and a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jan_ort_conformance.http.check_tools.asker import HELLO, choice_of, tool

Fields = dict[str, Any]

LONG_NAME = "look_around_in_every_direction"
LONG_TEXT = "Look around in every direction, and then say in one word what there is to be seen."
SHORT_ID, OTHER_ID = "abcdef123", "xyz987uvw"
"""Ids of a call; Mistral's templates refuse those that are not nine letters and digits."""

PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
"""One pixel."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member, as "tools.function.name".

    ``fields`` makes the fields of a request with this value of it. ``values`` are valid, and each gives another prompt
    or another answer wherever the member has an effect that a client can see; there are none where it has no such
    effect. ``wrong`` is invalid. ``beside`` is a member that is in the prompt wherever this one is, if there is one.
    """

    name: str
    fields: Callable[[Any], Fields]
    values: tuple[object, ...]
    wrong: object = 5
    beside: str | None = None


def _said(**members: object) -> Fields:
    return {"messages": [{"role": "user", "content": "Tell me a story."} | members]}


def _declined(refusal: object) -> Fields:
    """Return a conversation in which the assistant declined to answer."""
    declined = {"role": "assistant", "content": [{"type": "refusal", "refusal": refusal}]}
    return {"messages": [*HELLO, declined, *HELLO]}


def _thought(part: Fields) -> Fields:
    """Return a conversation in which the assistant thought before it spoke; few templates write what it thought."""
    spoken = {"role": "assistant", "content": [part, {"type": "text", "text": "Once."}]}
    return {"messages": [*HELLO, spoken, *HELLO]}


def _thought_in_parts(**members: object) -> Fields:
    return _thought({"type": "thinking", "thinking": [{"type": "text", "text": "Which story?"} | members]})


def _begun_by(role: object) -> Fields:
    return {"messages": [{"role": role, "content": "Be brief."}, *HELLO]}


def _part(part: object) -> Fields:
    return _said(content=[{"type": "text", "text": "What is it?"}, part])


def _history(call: object, *, call_id: object = SHORT_ID) -> Fields:
    """Return a conversation in which the assistant made this call."""
    result = {"role": "tool", "tool_call_id": call_id, "content": "1"}
    return {"messages": [*HELLO, {"role": "assistant", "content": None, "tool_calls": call}, result]}


def _call(**members: object) -> list[Fields]:
    return [{"id": SHORT_ID, "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}} | members]


def _id(value: object) -> str:
    """Return the id at the other end of a call and its result, which is the same as long as it is one."""
    return value if isinstance(value, str) else SHORT_ID


def _called(**members: object) -> Fields:
    return _history(_call(function={"name": "look", "arguments": '{"at": 1}'} | members))


def _old_history(call: object) -> Fields:
    result = {"role": "function", "name": "look", "content": "1"}
    return {"messages": [*HELLO, {"role": "assistant", "content": None, "function_call": call}, result]}


def _old_called(**members: object) -> Fields:
    return _old_history({"name": "look", "arguments": '{"at": 1}'} | members)


def _tool(**members: object) -> Fields:
    return {"tools": [tool("look") | members]}


def _function(**members: object) -> Fields:
    return _tool(function=tool("look")["function"] | members)


def _old_function(**members: object) -> Fields:
    return {"functions": [tool("look")["function"] | members]}


def _choice(**members: object) -> Fields:
    """Offer two tools and name one, with room for the call."""
    return {"tools": [tool("look"), tool("take")], "tool_choice": choice_of("look") | members, "max_tokens": 120}


def _old_choice(name: object) -> Fields:
    offered = [tool("look")["function"], tool("take")["function"]]
    return {"functions": offered, "function_call": {"name": name}, "max_tokens": 120}


def _form(**members: object) -> Fields:
    return {"response_format": {"type": "json_object"} | members}


def _named_form(**members: object) -> Fields:
    named = {"name": "x", "schema": {"const": 5}} | members
    return {"response_format": {"type": "json_schema", "json_schema": named}}


_ARGUMENTS = ('{"at": 1}', '{"at": 1, "further_away": [12345, 67890]}')
_PARAMETERS = tuple(tool("look", value)["function"]["parameters"] for value in (1, "in every direction"))

CONVERSATION: list[Member] = [
    Member("messages.role", _begun_by, ("user", "system"), "nobody"),
    Member("messages.content", lambda value: _said(content=value), ("Count.", "Write a poem about the sea.")),
    Member("messages.content.type", lambda value: _part({"type": value, "text": "x"}), (), "sound"),
    Member("messages.content.text", lambda value: _part({"type": "text", "text": value}), ("A cat?", LONG_TEXT)),
    Member("messages.content.refusal", _declined, ("No.", LONG_TEXT)),
    Member("messages.content.thinking", lambda value: _thought({"type": "thinking", "thinking": value}), ()),
    Member("messages.content.thinking.type", lambda value: _thought_in_parts(type=value), (), "sound"),
    Member("messages.content.thinking.text", lambda value: _thought_in_parts(text=value), ()),
    Member("messages.name", lambda value: _said(name=value), ("alice", LONG_NAME)),
    Member("messages.tool_calls", _history, (_call(), _call(function={"name": LONG_NAME, "arguments": "{}"}))),
    Member("messages.tool_calls.id", lambda value: _history(_call(id=value), call_id=_id(value)), (SHORT_ID, OTHER_ID)),
    Member("messages.tool_calls.type", lambda value: _history(_call(type=value)), (), "program"),
    Member("messages.tool_calls.function", lambda value: _history(_call(function=value)), ()),
    Member("messages.tool_calls.function.name", lambda value: _called(name=value), ("look", LONG_NAME)),
    Member(
        "messages.tool_calls.function.arguments",
        lambda value: _called(arguments=value),
        _ARGUMENTS,
        beside="messages.tool_calls.function.name",
    ),
    Member("messages.tool_call_id", lambda value: _history(_call(id=_id(value)), call_id=value), (SHORT_ID, OTHER_ID)),
    Member("messages.function_call", _old_history, ()),
    Member("messages.function_call.name", lambda value: _old_called(name=value), ("look", LONG_NAME)),
    Member(
        "messages.function_call.arguments",
        lambda value: _old_called(arguments=value),
        _ARGUMENTS,
        beside="messages.function_call.name",
    ),
    Member("tools.type", lambda value: _tool(type=value), (), "program"),
    Member("tools.function", lambda value: _tool(function=value), ()),
    Member("tools.function.name", lambda value: _function(name=value), ("look", LONG_NAME)),
    Member(
        "tools.function.description",
        lambda value: _function(description=value),
        ("Look.", LONG_TEXT),
        beside="tools.function.name",
    ),
    Member(
        "tools.function.parameters",
        lambda value: _function(parameters=value),
        _PARAMETERS,
        beside="tools.function.name",
    ),
    Member("tools.function.strict", lambda value: _function(strict=value), (), "yes"),
    Member("tool_choice.type", lambda value: _choice(type=value), (), "program"),
    Member("tool_choice.function", lambda value: _choice(function=value), ()),
    Member("tool_choice.function.name", lambda value: _choice(function={"name": value}), ("look", "take")),
    Member("functions.name", lambda value: _old_function(name=value), ("look", LONG_NAME)),
    Member(
        "functions.description",
        lambda value: _old_function(description=value),
        ("Look.", LONG_TEXT),
        beside="functions.name",
    ),
    Member("functions.parameters", lambda value: _old_function(parameters=value), _PARAMETERS, beside="functions.name"),
    Member("function_call.name", _old_choice, ("look", "take")),
]
"""Those of a conversation and its tools, which the count of its tokens has too."""

IMAGES: list[Member] = [
    Member("messages.content.image_url", lambda value: _part({"type": "image_url", "image_url": value}), (), 5),
    Member(
        "messages.content.image_url.url", lambda value: _part({"type": "image_url", "image_url": {"url": value}}), ()
    ),
    Member(
        "messages.content.image_url.detail",
        lambda value: _part({"type": "image_url", "image_url": {"url": PNG, "detail": value}}),
        (),
        "huge",
    ),
]

_NAMED_SCHEMAS = tuple({"name": "x", "schema": {"const": value}} for value in (5, 71))

FORMS: list[Member] = [
    Member("response_format.type", lambda value: _form(type=value), (), "xml"),
    Member("response_format.schema", lambda value: _form(schema=value), ({"const": 5}, {"const": 71}), {"type": "x"}),
    Member("response_format.json_schema", lambda value: _form(type="json_schema", json_schema=value), _NAMED_SCHEMAS),
    Member("response_format.json_schema.name", lambda value: _named_form(name=value), ()),
    Member(
        "response_format.json_schema.description", lambda value: _named_form(description=value), ("Five.", LONG_TEXT)
    ),
    Member(
        "response_format.json_schema.schema", lambda value: _named_form(schema=value), ({"const": 5}, {"const": 71})
    ),
    Member("response_format.json_schema.strict", lambda value: _named_form(strict=value), (), "yes"),
]
"""Those of the form of an answer."""
