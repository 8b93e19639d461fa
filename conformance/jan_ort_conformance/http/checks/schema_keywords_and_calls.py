"""JSON schemas by their keywords, and calls in every form: plain, streamed, several."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from jan_ort_conformance.http.check_tools.answers import joined
from jan_ort_conformance.http.check_tools.asker import CHAT, COMPLETIONS, GREEDY, Asker, choice_of, tool
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.checks.structured_output import LONG
from jan_ort_conformance.verdicts.verdict import Level, expect

Holds = Callable[[Any], bool]

KEYWORDS: list[tuple[dict[str, Any], Holds]] = [
    ({"$ref": "#/$defs/word", "$defs": {"word": {"const": "yes"}}}, lambda value: value == "yes"),
    ({"type": "string", "pattern": "^[0-9]{3}$"}, lambda value: re.fullmatch("[0-9]{3}", str(value)) is not None),
    ({"anyOf": [{"const": 5}, {"const": "x"}]}, lambda value: value in (5, "x")),
    ({"type": "integer", "minimum": 10, "maximum": 19}, lambda value: type(value) is int and 10 <= value <= 19),
    ({"type": "string", "minLength": 3, "maxLength": 3}, lambda value: isinstance(value, str) and len(value) == 3),
    (
        {
            "type": "object",
            "properties": {"inner": {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}},
            "required": ["inner"],
            "additionalProperties": False,
        },
        lambda value: value["inner"]["a"] == 1 and len(value) == 1,
    ),
]


@check("schema_output.holds_for_each_keyword", needs=[f"{CHAT} response_format"], optional="response_format")
def holds_for_each_keyword(server: Asker) -> None:
    """References, patterns, choices, bounds and nested objects of a schema hold, or are refused by name."""
    for schema, holds in KEYWORDS:
        text = server.said(CHAT, **LONG, response_format={"type": "json_object", "schema": schema})
        expect(holds(json.loads(text)), f"{text!r} is not of the schema {json.dumps(schema)}")


@check("tools.call_is_all_of_the_answer", needs=[f"{CHAT} tools", f"{CHAT} tool_choice"])
def call_is_all_of_the_answer(server: Asker) -> None:
    """Beside a named call there is no content, and it ends by tool_calls or stop, in a stream too."""
    for choice_named in (choice_of("look"), "required"):
        body = {**LONG, "tools": [tool("look", "a")], "tool_choice": choice_named, "parallel_tool_calls": False}
        (choice,) = server.ask(CHAT, **body)["choices"]
        streamed = [each for chunk in server.stream(CHAT, **body) for each in chunk["choices"]]

        content = choice["message"].get("content")
        expect(not content, f"there is content beside the call: {content!r}")
        expect(not joined([{"choices": streamed}]), f"a stream has content beside the call: {streamed}")
        allowed = ("tool_calls",) if choice_named == "required" else ("tool_calls", "stop")
        reason, last = choice["finish_reason"], streamed[-1].get("finish_reason")
        expect(reason in allowed, f"with tool_choice {choice_named} finish_reason is {reason!r}")
        expect(
            last == reason, f"with tool_choice {choice_named} a stream ends by {last!r}, a plain answer by {reason!r}"
        )


@check("tools.streamed_calls_have_indexes", level=Level.CORE, needs=[f"{CHAT} tools"])
def streamed_calls_have_indexes(server: Asker) -> None:
    """Each piece of a streamed call has the index of its call, from 0; the pieces of each are a whole call."""
    chunks = server.stream(CHAT, **LONG, tools=[tool("look", "a")], tool_choice="required")

    calls: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            for piece in choice["delta"].get("tool_calls") or []:
                expect(type(piece.get("index")) is int, f"a piece of a call has no index: {piece}")
                function = piece.get("function") or {}
                calls[piece["index"]] = calls.get(piece["index"], "") + (function.get("arguments") or "")
    expect([*calls] == [*range(len(calls))] and bool(calls), f"the indexes of the calls are {[*calls]}")
    whole = calls if chunks[-1]["choices"][0].get("finish_reason") == "tool_calls" else {}
    for index, arguments in whole.items():
        expect(json.loads(arguments) == {"at": "a"}, f"the arguments of call {index} are {arguments!r}")


@check("stream.may_be_long", needs=[COMPLETIONS])
def may_be_long(server: Asker) -> None:
    """A stream of 200 tokens is as long as the plain answer."""
    fields = GREEDY | {"max_tokens": 200, "min_tokens": 200}
    plain = server.said(COMPLETIONS, **fields)

    streamed = joined(server.stream(COMPLETIONS, **fields))

    expect(streamed == plain, f"plainly {len(plain)} characters, streamed {len(streamed)}: {streamed[-60:]!r}")


@check("stop.each_of_four_ends_the_text", needs=[f"{COMPLETIONS} stop", f"{CHAT} stop"])
def each_of_four_ends_the_text(server: Asker) -> None:
    """Each of four stop strings ends the text, wherever it stands in the list, in streams too; capitals are others."""
    for path in (COMPLETIONS, CHAT):
        whole = server.said(path, **GREEDY)
        word = whole[5:9]
        expected = whole[: whole.index(word)]
        for place in range(4):
            stops = ["\u2603\u2603", "\u2604\u2604", "\u2605\u2605"]
            stops.insert(place, word)
            plain, streamed = server.said(path, **GREEDY, stop=stops), joined(server.stream(path, **GREEDY, stop=stops))
            expect(plain == streamed == expected, f"{whole!r} stopped by {stops} is {plain!r}, streamed {streamed!r}")
        _capitals_are_others(server, path, whole)


def _capitals_are_others(server: Asker, path: str, whole: str) -> None:
    words = [whole[start : start + 3] for start in range(len(whole) - 3)]
    other = next((each.swapcase() for each in words if each.swapcase() not in whole), None)
    if other is not None:
        text = server.said(path, **GREEDY, stop=other)
        expect(text == whole, f"{other!r} is not in {whole!r}, and stopped by it is {text!r}")
