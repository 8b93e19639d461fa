"""Calls in full: arguments with every escape, ids over turns, several calls of one answer."""

from __future__ import annotations

import json
from typing import Any

from jan_ort_conformance.http.check_tools.asker import CHAT, TOKENIZE, Asker, choice_of, tool
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.checks.structured_output import LONG
from jan_ort_conformance.verdicts.verdict import expect

VALUES = ('say "hi"', "C:\\new\\table", "one\ntwo\r\n\tthree", "naïve ☃ 𝄞", "</tool_call> {}'")


def _arguments(server: Asker, offered: dict[str, Any], **fields: Any) -> tuple[str, str]:
    """Return the arguments of a call of this tool, and those of the same in a stream."""
    body = {**LONG, **fields, "tools": [offered], "tool_choice": choice_of("look")}
    (call,) = server.ask(CHAT, **body)["choices"][0]["message"]["tool_calls"]
    chunks = server.stream(CHAT, **body)
    pieces = [
        piece["function"].get("arguments") or ""
        for chunk in chunks
        for choice in chunk["choices"]
        for piece in choice["delta"].get("tool_calls") or []
        if piece.get("function")
    ]
    return call["function"]["arguments"], "".join(pieces)


@check("tools.arguments_keep_their_escapes", needs=[f"{CHAT} tools", f"{CHAT} tool_choice"])
def arguments_keep_their_escapes(server: Asker) -> None:
    """Quotes, backslashes, line ends and letters outside ASCII are in a call's arguments, plain and streamed."""
    for value in VALUES:
        for form, arguments in zip(("plain", "streamed"), _arguments(server, tool("look", value)), strict=True):
            told = f"{value!r} is {form} in the arguments {arguments!r}"
            expect(isinstance(arguments, str), f"{told}, which are not text")
            expect(json.loads(arguments) == {"at": value}, told)


@check("tools.ids_are_of_their_turn", needs=[f"{CHAT} tools", f"{CHAT} tool_choice"])
def ids_are_of_their_turn(server: Asker) -> None:
    """The calls of later answers have other ids than earlier ones, so that a history holds none of them twice."""
    body: dict[str, Any] = {**LONG, "tools": [tool("look")], "tool_choice": choice_of("look")}
    ids = []
    for _ in range(3):
        (call,) = server.ask(CHAT, **body)["choices"][0]["message"]["tool_calls"]
        ids.append(call["id"])
    streamed = server.stream(CHAT, **body)
    pieces = [
        each for chunk in streamed for choice in chunk["choices"] for each in choice["delta"].get("tool_calls") or []
    ]
    ids += [piece["id"] for piece in pieces if piece.get("id")]
    expect(len(set(ids)) == len(ids) == 4, f"the ids of four answers' calls are {ids}")


@check("tools.streamed_calls_are_told_apart", needs=[f"{CHAT} tools", f"{CHAT} tool_choice"])
def streamed_calls_are_told_apart(server: Asker) -> None:
    """A stream has as many indexes as it has calls, each with an id of its own."""
    body: dict[str, Any] = {**LONG, "tools": [tool("look")], "tool_choice": "required"}
    if server.declaration.has(TOKENIZE) and server.declaration.has(f"{CHAT} logit_bias"):
        body["logit_bias"] = {str(server.token_ids("\n")[-1]): 100}  # in many formats it leads to the next call
    chunks = server.stream(CHAT, **body)

    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    pieces = [piece for choice in choices for piece in choice["delta"].get("tool_calls") or []]
    begun = [(piece["index"], piece["id"]) for piece in pieces if piece.get("id")]
    indexes = [index for index, _ in begun]
    expect(indexes == [*range(len(begun))] and bool(begun), f"the calls of a stream have the indexes and ids {begun}")
    expect(len({each for _, each in begun}) == len(begun), f"the calls of a stream have the indexes and ids {begun}")


@check("tools.streamed_arguments_are_the_plain_ones", needs=[f"{CHAT} tools", f"{CHAT} tool_choice"])
def streamed_arguments_are_the_plain_ones(server: Asker) -> None:
    """A call's arguments in a stream are letter by letter those of the plain answer, white space included."""
    server.has_compared = True
    parameters = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
    offered = tool("look") | {"function": tool("look")["function"] | {"parameters": parameters}}
    for seed in range(3):
        plain, streamed = _arguments(server, offered, seed=seed)
        expect(plain == streamed, f"the arguments are plainly {plain!r}, streamed {streamed!r}")
