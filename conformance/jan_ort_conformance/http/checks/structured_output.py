"""Constrained answers: grammars, JSON schemas and tool calls are valid by construction."""

from __future__ import annotations

import json
import re
from typing import Any

from jan_ort_conformance.http.check_tools.answers import joined, text_of
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    FREE,
    GENERATING,
    NAMES,
    Asker,
    body_of,
    choice_of,
    expect_effect,
    tool,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import Level, expect

LONG = FREE | {"max_tokens": 120, "min_tokens": 0}

BAD_GRAMMARS = ("root ::= nothing", "root ::= [a-", "root ::= (", "no rule")


@check("grammar.is_followed", level=Level.CORE, needs=[f"{path} grammar" for path in GENERATING])
def grammar_is_followed(server: Asker) -> None:
    """A text under a grammar is of its language, in plain answers and streams."""
    for path in server.generating():
        for pattern in ("[0-9]{4}", "[a-f]{5}"):
            fields = LONG | {"grammar": f"root ::= {pattern}"}

            found = [server.said(path, **fields), joined(server.stream(path, **fields))]

            for text in found:
                expect_effect(
                    re.fullmatch(pattern, text) is not None, f"{NAMES[path]}: {text!r} is not of root ::= {pattern}"
                )


@check("grammar.bad_is_refused", needs=[f"{path} grammar" for path in GENERATING])
def grammar_bad_is_refused(server: Asker) -> None:
    """A grammar that cannot be read is a 400, and the server lives on."""
    for path in server.generating():
        for grammar in BAD_GRAMMARS:
            server.refused(path, body_of(path, **FREE, grammar=grammar), 400)
        server.said(path, **FREE)


@check("grammar.bad_is_refused_by_name", level=Level.STRICT, needs=[f"{COMPLETIONS} grammar"])
def grammar_bad_is_refused_by_name(server: Asker) -> None:
    """The error of a bad grammar names the field."""
    error = server.refused(COMPLETIONS, body_of(COMPLETIONS, grammar=BAD_GRAMMARS[0]), 400)

    expect(error["param"] == "grammar", f"param is {error['param']!r}")


SCHEMAS: list[tuple[dict[str, Any], object]] = [
    ({"const": "yes"}, "yes"),
    ({"type": "array", "items": {"enum": [1]}, "minItems": 2, "maxItems": 2}, [1, 1]),
    (
        {
            "type": "object",
            "properties": {"a": {"const": 1}, "b": {"enum": ["x"]}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
        {"a": 1, "b": "x"},
    ),
]


@check("schema_output.is_valid", level=Level.CORE, needs=[f"{CHAT} response_format"])
def schema_output_is_valid(server: Asker) -> None:
    """A text under a JSON schema is an instance of it."""
    for schema, value in SCHEMAS:
        text = server.said(CHAT, **LONG, response_format={"type": "json_object", "schema": schema})

        expect_effect(_parsed(text) == value, f"{text!r} is not of the schema {json.dumps(schema)}")


@check("schema_output.json_schema_is_valid", needs=[f"{CHAT} response_format.json_schema"])
def schema_output_json_schema_is_valid(server: Asker) -> None:
    """response_format json_schema, OpenAI's spelling, does the same, also in a stream."""
    for schema, value in SCHEMAS:
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}

        text = server.said(CHAT, **LONG, response_format=form)
        streamed = joined(server.stream(CHAT, **LONG, response_format=form))

        expect(_parsed(text) == value, f"{text!r} is not of the schema {json.dumps(schema)}")
        expect(streamed == text, f"plainly {text!r}, streamed {streamed!r}")


@check("schema_output.object_is_one", level=Level.CORE, needs=[f"{CHAT} response_format"])
def schema_output_object_is_one(server: Asker) -> None:
    """response_format json_object gives a JSON object, whole unless cut by max_tokens."""
    answer = server.ask(CHAT, **LONG | {"max_tokens": 300}, response_format={"type": "json_object"})

    (choice,) = answer["choices"]
    text = text_of(choice)
    whole = isinstance(_parsed(text), dict)
    expect_effect(
        whole or (choice["finish_reason"] == "length" and text.lstrip().startswith("{")),
        f"{text!r} is not a JSON object",
    )


@check("schema_output.bad_schema_is_refused", level=Level.STRICT, needs=[f"{CHAT} response_format"])
def schema_output_bad_schema_is_refused(server: Asker) -> None:
    """What is no JSON schema is a 400 that names response_format."""
    for schema in (5, "x", {"type": "nothing"}):
        body = body_of(CHAT, **FREE, response_format={"type": "json_object", "schema": schema})

        error = server.refused(CHAT, body, 400)

        expect(str(error["param"]).startswith("response_format"), f"param is {error['param']!r}")


@check("tools.named_is_called", level=Level.CORE, needs=[f"{CHAT} tools"])
def tools_named_is_called(server: Asker) -> None:
    """A tool_choice that names a tool gives a call of it, whose arguments parse and are of its parameters."""
    for name, value in (("look", "a"), ("take", "b")):
        answer = server.ask(CHAT, **LONG, tools=[tool("look", "a"), tool("take", "b")], tool_choice=choice_of(name))

        message = answer["choices"][0]["message"]
        calls = [each["function"] for each in message.get("tool_calls") or []]
        expect_effect([call["name"] for call in calls] == [name], f"{name!r} should be called once: {message}")
        arguments = _parsed(calls[0]["arguments"])
        expect(arguments == {"at": value}, f"the arguments of {name} are {calls[0]['arguments']!r}")


@check("tools.required_is_called", needs=[f"{CHAT} tools"])
def tools_required_is_called(server: Asker) -> None:
    """tool_choice required gives at least one call, no content, and finish_reason tool_calls."""
    body = {**LONG, "tools": [tool("look", "a")], "tool_choice": "required"}
    # One call: a small model that may make more goes on to the limit.
    choice = server.ask(CHAT, **body, parallel_tool_calls=False)["choices"][0]

    calls = choice["message"].get("tool_calls") or []
    expect_effect(len(calls) > 0, f"there is no call: {choice}")
    expect(choice["finish_reason"] == "tool_calls", f"finish_reason is {choice['finish_reason']!r}")
    expect(not choice["message"]["content"], f"there is content beside the call: {choice['message']['content']!r}")
    for call in calls:
        expect(_parsed(call["function"]["arguments"]) == {"at": "a"}, f"the call is {call}")
        expect(call["type"] == "function" and bool(call["id"]), f"the call has no type or id: {call}")


@check("tools.streamed_call_is_the_call", needs=[f"{CHAT} tools"])
def tools_streamed_call_is_the_call(server: Asker) -> None:
    """A streamed call has its id and name once, and its argument pieces together parse."""
    chunks = server.stream(CHAT, **LONG, tools=[tool("look", "a")], tool_choice=choice_of("look"))

    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    pieces = [call for delta in deltas for call in delta.get("tool_calls") or []]
    names = [piece["function"]["name"] for piece in pieces if piece["function"].get("name")]
    arguments = "".join(piece["function"].get("arguments") or "" for piece in pieces)
    expect(names == ["look"], f"the names of the streamed call are {names}")
    expect(len([piece for piece in pieces if piece.get("id")]) == 1, "the call's id should be given once")
    expect(_parsed(arguments) == {"at": "a"}, f"the streamed arguments are {arguments!r}")


@check("tools.ids_are_unique", needs=[f"{CHAT} tools", f"{CHAT} n"])
def tools_ids_are_unique(server: Asker) -> None:
    """The calls of several choices have ids of their own."""
    choices = server.ask(CHAT, **LONG, n=3, tools=[tool("look")], tool_choice=choice_of("look"))["choices"]

    ids = [call["id"] for choice in choices for call in choice["message"]["tool_calls"]]
    expect(len(ids) == len(set(ids)) == 3, f"the ids of three choices' calls are {ids}")


@check("tools.unknown_choice_is_refused", needs=[f"{CHAT} tools"])
def tools_unknown_choice_is_refused(server: Asker) -> None:
    """A tool_choice that names no tool is a 400."""
    server.refused(CHAT, body_of(CHAT, **FREE, tools=[tool("look")], tool_choice=choice_of("take")), 400)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return f"no JSON: {text}"
