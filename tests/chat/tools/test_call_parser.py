"""Answers of every format to events: calls and the text around them."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from jan_ort.chat.formats import ToolFormat
from jan_ort.chat.tools import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    ToolCallEnd,
    ToolCallParser,
    ToolCallStart,
)
from jan_ort.chat.tools.call_events import CallArguments, CallEnded, CallEvent, CallStarted
from jan_ort.chat.tools.call_reader import MAX_SPACE, CallReader, Opening
from tests.chat.tools.parsing import HERMES, LLAMA3, MISTRAL, MISTRAL_ARGS, TOOLS, call, content, new_parser, parsed

OSLO = '{"city": "Oslo", "days": [1, -2.5e3, null], "note": "a \\"}</tool_call>\\" \\u00e9 é"}'
BERN = '{"city": "Bern"}'

ANSWERS: list[tuple[ToolFormat, str, list[Event]]] = [
    (HERMES, f'<tool_call>\n{{"name": "weather", "arguments": {OSLO}}}\n</tool_call>', call(0, "weather", OSLO)),
    (HERMES, f'<tool_call>{{"arguments":{OSLO},"name":"weather"}}</tool_call>', call(0, "weather", OSLO)),
    (HERMES, '<tool_call>{"name": "now"}</tool_call>', call(0, "now", "{}")),
    (HERMES, '<tool_call>{"name": "now", "arguments": {}}', call(0, "now", "{}")),
    (
        HERMES,
        f'Let me look.\n<tool_call>\n{{"name": "weather", "arguments": {OSLO}}}\n</tool_call>\n'
        f'<tool_call>\n{{"name": "weather", "arguments": {BERN}}}\n</tool_call>\n',
        [*content("Let me look."), *call(0, "weather", OSLO), *call(1, "weather", BERN), *content("\n")],
    ),
    (
        HERMES,
        f'<tool_call>[{{"name": "weather", "arguments": {BERN}}}, {{"name": "now"}}]</tool_call> Done.',
        [*call(0, "weather", BERN), *call(1, "now", "{}"), *content(" Done.")],
    ),
    (
        HERMES,
        '<tool_call>{"name": "weather", "arguments": " {\\"city\\": \\"Bern\\"}"}</tool_call>',
        call(0, "weather", BERN),
    ),
    (LLAMA3, f'{{"name": "weather", "parameters": {OSLO}}}', call(0, "weather", OSLO)),
    (LLAMA3, f'<|python_tag|>{{"name": "weather", "parameters": {BERN}}}', call(0, "weather", BERN)),
    (LLAMA3, f'{{"type": "function", "name": "weather", "parameters": {BERN}}}', call(0, "weather", BERN)),
    (
        LLAMA3,
        f'I call:\n\n{{"name": "weather", "parameters": {BERN}}}; {{"name": "now", "parameters": {{}}}}',
        [*content("I call:"), *call(0, "weather", BERN), *call(1, "now", "{}")],
    ),
    (MISTRAL, f'[TOOL_CALLS] [{{"name": "weather", "arguments": {OSLO}}}]', call(0, "weather", OSLO)),
    (
        MISTRAL,
        f'Sure.[TOOL_CALLS][{{"name": "weather", "arguments": {BERN}, "id": "abcDEF123"}}, {{"name": "now"}}]',
        [*content("Sure."), *call(0, "weather", BERN), *call(1, "now", "{}")],
    ),
    (
        MISTRAL_ARGS,
        f"Sure. [TOOL_CALLS]weather[ARGS]{OSLO}[TOOL_CALLS]now[CALL_ID]abcDEF123[ARGS]{{}}",
        [*content("Sure."), *call(0, "weather", OSLO), *call(1, "now", "{}")],
    ),
    (MISTRAL_ARGS, f"[TOOL_CALLS]weather{BERN}", call(0, "weather", BERN)),
]


@pytest.mark.parametrize(("tool_format", "text", "expected"), ANSWERS)
def test_calls_are_read(tool_format: ToolFormat, text: str, expected: list[Event]) -> None:
    assert parsed(tool_format, text) == expected


@pytest.mark.parametrize(("tool_format", "text", "expected"), ANSWERS)
def test_a_cut_anywhere_changes_nothing(tool_format: ToolFormat, text: str, expected: list[Event]) -> None:
    cuts = [parsed(tool_format, text[:at], text[at:]) for at in range(len(text) + 1)]

    assert cuts == [expected] * len(cuts)


@pytest.mark.parametrize(("tool_format", "text", "expected"), ANSWERS)
def test_single_characters_are_read_alike(tool_format: ToolFormat, text: str, expected: list[Event]) -> None:
    assert parsed(tool_format, *text) == expected


def test_arguments_are_given_out_as_they_come() -> None:
    parser = new_parser(HERMES)
    pieces = ["<tool", "_call>{", '"name": "wea', 'ther", "arguments": {', '"city"', ': "Bern"', "}", "}</tool_call>"]

    events = [parser.feed(piece) for piece in pieces]

    assert events == [
        [],
        [],
        [],
        [],
        [ToolCallStart(0, "call_0", "weather"), ArgumentsDelta(0, '{"city"')],
        [ArgumentsDelta(0, ': "Bern"')],
        [ArgumentsDelta(0, "}"), ToolCallEnd(0)],
        [],
    ]


def test_text_without_a_marker_is_not_held_back() -> None:
    parser = new_parser(HERMES)

    events = [parser.feed(piece) for piece in ["a < b", " and", " <i>c</i> <to", "ol"]]

    assert events == [content("a < b"), content(" and"), content(" <i>c</i>"), []]
    assert parser.finish() == content(" <tool")


def test_only_the_first_call_is_given_out_where_calls_are_not_parallel() -> None:
    text = '<tool_call>{"name": "now"}</tool_call><tool_call>{"name": "weather"}</tool_call> Done.'

    assert parsed(HERMES, text, is_parallel=False) == call(0, "now", "{}")


def test_an_answer_is_done_at_the_end_of_its_only_call() -> None:
    parser = new_parser(HERMES, is_parallel=False)

    done = [(parser.feed(piece), parser.is_done)[1] for piece in ['<tool_call>{"name": "now"', "}", "</tool_call>"]]

    assert done == [False, True, True]
    assert parser.finish() == []


class _TwoAtOnce(CallReader):
    """Is certain of two calls with the same character."""

    def feed(self, char: str) -> list[CallEvent]:
        self.is_done = True
        return [CallStarted("now"), CallArguments("{}"), CallEnded()] * 2

    def finish(self) -> None:
        self.is_done = True


class _TwoAtOnceSyntax:
    openings = (Opening("!"),)

    def reader(self, opening: str, names: Collection[str]) -> CallReader:
        return _TwoAtOnce(names)


@pytest.mark.parametrize(
    ("is_parallel", "expected"),
    [(True, [*call(0, "now", "{}"), *call(1, "now", "{}"), *content("Done")]), (False, call(0, "now", "{}"))],
)
def test_calls_that_come_at_once_are_counted_one_by_one(is_parallel: bool, expected: list[Event]) -> None:
    assert parsed(_TwoAtOnceSyntax(), "!.Done", is_parallel=is_parallel) == expected


def test_an_answer_of_many_calls_is_never_done() -> None:
    parser = new_parser(HERMES)

    parser.feed('<tool_call>{"name": "now"}</tool_call>')

    assert not parser.is_done


def test_ids_differ() -> None:
    parser = ToolCallParser(HERMES, {"now": TOOLS["now"]})

    events = parser.feed('<tool_call>{"name": "now"}</tool_call>' * 100)

    ids = {event.id for event in events if isinstance(event, ToolCallStart)}
    assert len(ids) == 100
    assert all(call_id.startswith("call_") for call_id in ids)


def test_an_empty_answer_has_no_events() -> None:
    assert parsed(HERMES, "", "") == []


def test_whitespace_of_plain_text_is_kept() -> None:
    text = " \n one\t\n\n two \n"

    assert parsed(HERMES, *text) == [ContentDelta(text)]
    assert parsed(LLAMA3, text) == [ContentDelta(text)]


def test_a_call_ends_when_its_arguments_do() -> None:
    parser = new_parser(HERMES)

    events = parser.feed('<tool_call>{"name": "now", "arguments": {}')

    assert events[-1] == ToolCallEnd(0)


def test_whitespace_is_held_back_up_to_a_limit() -> None:
    parser = new_parser(HERMES)

    assert [parser.feed(" " * MAX_SPACE), parser.feed(" ")] == [[], content(" " * MAX_SPACE)]
