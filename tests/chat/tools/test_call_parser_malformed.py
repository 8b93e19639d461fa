"""Answers that look like calls: what is none is content, unchanged, and what breaks off keeps what came."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.chat.formats import FORMATS, ToolFormat
from jan_ort.chat.tools import ArgumentsDelta, ContentDelta, Event, ToolCallEnd, ToolCallStart
from jan_ort.chat.tools.call_reader import MAX_SPACE
from jan_ort.chat.tools.json_scanner import is_json_object
from tests.chat.tools.parsing import (
    BY_NAME,
    HERMES,
    LLAMA3,
    MISTRAL,
    MISTRAL_ARGS,
    TOOLS,
    call,
    content,
    joined,
    new_parser,
    parsed,
)

NO_CALLS = [
    (HERMES, '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>'),
    (HERMES, '<tool_call>{"name": 5, "arguments": {}}</tool_call>'),
    (HERMES, "<tool_call>{'name': 'now', 'arguments': {}}</tool_call>"),
    (HERMES, '<tool_call>{"name": "now", "arguments": {\'a\': 1}}</tool_call>'),
    (HERMES, '<tool_call>{"name": "now", "arguments": {\n \'a\': 1}}</tool_call>'),
    (HERMES, '<tool_call>{"name": "now", "arguments": [1]}</tool_call>'),
    (HERMES, '<tool_call>{"name": "now", "arguments": "[1]"}</tool_call>'),
    (HERMES, '<tool_call>{"name": "now", "arguments": "{\\"a\\": 1} or so"}</tool_call>'),
    (HERMES, '<tool_call>{"arguments": {}}</tool_call>'),
    (HERMES, '<tool_call>{"name": "weather", "name": "now"}</tool_call>'),
    (HERMES, '<tool_call>{"name": "now", "tool": {}}</tool_call>'),
    (HERMES, "<tool_call>[]</tool_call>"),
    (HERMES, "<tool_call>[[{}]]</tool_call>"),
    (HERMES, '<tool_call>[[{"name": "now"}]]</tool_call>'),
    (HERMES, "<tool_call>now()</tool_call>"),
    (HERMES, '<tool_call>\n{"name": "no'),
    (HERMES, '<tool_call>{"name": "a <tool_call>{'),
    (HERMES, "<tool_call>"),
    (HERMES, "A </tool_call> and a <tool_calls>"),
    (LLAMA3, '<|python_tag|>brave_search.call(query="weather")'),
    (LLAMA3, '{"city": "Bern", "name": "weather"}'),
    (LLAMA3, 'Answer with {"name": "weather", "parameters": {}} in one line.'),
    (LLAMA3, '{"calls": [{"name": "weather", "parameters": {}}]}'),
    (LLAMA3, "void f() {\n{\n  return;\n}\n}\n"),
    (MISTRAL, '[TOOL_CALLS] [{"name": "unknown", "arguments": {}}]'),
    (MISTRAL, "[TOOL_CALLS] weather in Bern"),
    (MISTRAL, "[TOOL_CALLS] [weather{}]"),
    (MISTRAL_ARGS, "[TOOL_CALLS]unknown[ARGS]{}"),
    (MISTRAL_ARGS, "[TOOL_CALLS]weather[ARGS][1]"),
    (MISTRAL_ARGS, f"[TOOL_CALLS]{'weather ' * 100}"),
]


@pytest.mark.parametrize(("tool_format", "text"), NO_CALLS)
def test_what_is_no_call_is_content_however_it_is_cut(tool_format: ToolFormat, text: str) -> None:
    cuts = [parsed(tool_format, text[:at], text[at:]) for at in range(len(text))]

    assert cuts == [content(text)] * len(text)
    assert parsed(tool_format, *text) == content(text)


LFM2, LLAMA4 = BY_NAME["lfm2"], BY_NAME["llama4"]
NEXT = call(1, "now", "{}")
BROKEN: list[tuple[ToolFormat, str, list[Event]]] = [
    # Cut off in its arguments.
    (
        HERMES,
        '<tool_call>{"name": "weather", "arguments": {"city": "Be',
        [ToolCallStart(0, "call_0", "weather"), ArgumentsDelta(0, '{"city": "Be')],
    ),
    # No longer JSON in its arguments: the closing tag is the format's, the rest is content.
    (
        HERMES,
        '<tool_call>{"name": "weather", "arguments": {"city": Bern}}</tool_call>',
        [ToolCallStart(0, "call_0", "weather"), ArgumentsDelta(0, '{"city": '), ContentDelta("Bern}}</tool_call>")],
    ),
    (
        HERMES,
        '<tool_call>{"name": "weather", "arguments": {"n": 1</tool_call>Hm.',
        [ToolCallStart(0, "call_0", "weather"), ArgumentsDelta(0, '{"n": 1'), ContentDelta("Hm.")],
    ),
    # A brace is missing, or what follows the arguments is not JSON.
    (HERMES, '<tool_call>{"name": "now", "arguments": {}</tool_call>', call(0, "now", "{}")),
    (HERMES, '<tool_call>{"name": "now", "arguments": {}, "id": "7', call(0, "now", "{}")),
    (
        HERMES,
        '<tool_call>{"name": "now", "arguments": {}, oops}</tool_call>',
        [*call(0, "now", "{}"), *content(", oops}</tool_call>")],
    ),
    # A second call that is none, after a first one that is.
    (
        MISTRAL,
        '[TOOL_CALLS] [{"name": "now"}, {"name": "unknown"}]',
        [*call(0, "now", "{}"), *content(', {"name": "unknown"}]')],
    ),
    (LLAMA3, '{"name": "now"}; and so on', [*call(0, "now", "{}"), *content("; and so on")]),
    (LLAMA3, '{"name": "now"} ; {"x": 1}', [*call(0, "now", "{}"), *content(' ; {"x": 1}')]),
    (LLAMA3, '{"name": "now"};', [*call(0, "now", "{}"), *content(";")]),
    (
        LLAMA3,
        'Hi.\n{"name": "now"}{"name": "weather"}',
        [*content("Hi."), *call(0, "now", "{}"), *call(1, "weather", "{}")],
    ),
    # Two calls between tags that are no list.
    (
        HERMES,
        '<tool_call>{"name": "now"}, {"name": "weather"}</tool_call>',
        [*call(0, "now", "{}"), *content(', {"name": "weather"}</tool_call>')],
    ),
    # An opening that is none, after a call.
    (
        HERMES,
        '<tool_call>{"name": "now"}</tool_call>\n<tool_call>oops',
        [*call(0, "now", "{}"), *content("\n<tool_call>oops")],
    ),
    # A list of no call, before a list of one.
    (
        HERMES,
        '<tool_call>[{"name": "no"}]</tool_call><tool_call>[{"name": "now"}]</tool_call>',
        [*content('<tool_call>[{"name": "no"}]</tool_call>'), *call(0, "now", "{}")],
    ),
    # A call inside of what looked like one.
    (
        HERMES,
        '<tool_call>\n<tool_call>{"name": "now"}</tool_call>',
        [*content("<tool_call>"), *call(0, "now", "{}")],
    ),
    (HERMES, '<tool_call>{"name": "now"}</tool_', call(0, "now", "{}")),
    (HERMES, '<tool_call>{"name": "now"}</tools>', [*call(0, "now", "{}"), *content("</tools>")]),
]

WEATHER: list[Event] = [ToolCallStart(0, "call_0", "weather")]
BROKEN += [
    # Arguments that Python does not read: the list goes on behind the call.
    (LFM2, "<|tool_call_start|>[weather(city=Bern x), now()]<|tool_call_end|>Hm.", [*WEATHER, *NEXT, *content("Hm.")]),
    (LFM2, '<|tool_call_start|>[weather("Bern", (days=3)), now()]<|tool_call_end|>', [*WEATHER, *NEXT]),
    (LFM2, "<|tool_call_start|>[weather(**[1], a=')'), now()]<|tool_call_end|>", [*WEATHER, *NEXT]),
    (
        LFM2,
        '<|tool_call_start|>[weather(city="Bern", oops, days=3), now()]<|tool_call_end|>',
        [*WEATHER, ArgumentsDelta(0, '{"city": "Bern"'), *NEXT],
    ),
    (LLAMA4, "[weather(city=Bern x)]", WEATHER),
    (LLAMA4, "[weather(Bern, now()]", WEATHER),
]


@pytest.mark.parametrize(("tool_format", "text", "expected"), BROKEN)
def test_what_breaks_off_keeps_what_came(tool_format: ToolFormat, text: str, expected: list[Event]) -> None:
    cuts = [parsed(tool_format, text[:at], text[at:]) for at in range(len(text))]

    assert cuts == [expected] * len(text)
    assert parsed(tool_format, *text) == expected


def test_a_broken_call_ends_an_answer_of_one_call() -> None:
    text = '<tool_call>{"name": "now", "arguments": {"a": oops</tool_call><tool_call>{"name": "now"}</tool_call>'

    events = parsed(HERMES, text, is_parallel=False)

    assert events == [ToolCallStart(0, "call_0", "now"), ArgumentsDelta(0, '{"a": ')]


FRAGMENTS = (
    "<tool_call>",
    "</tool_call>",
    "<tool_",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<|python_tag|>",
    '{"name": "now", "arguments": {"a": [1, "}"]}}',
    '{"name": "weather", "parameters": {}}',
    '{"name": "',
    "now",
    '"',
    '", "arguments": {',
    '"a": ',
    "1.5",
    "{",
    "}",
    "[",
    "]",
    ",",
    ";",
    " ",
    "\n",
    "\\",
    "é",
    "x",
)
answers = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)


@given(tool_format=st.sampled_from(FORMATS), text=answers, cuts=st.lists(st.integers(0, 200)))
def test_any_text_is_read_alike_however_it_is_cut(tool_format: ToolFormat, text: str, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]

    assert parsed(tool_format, *pieces) == parsed(tool_format, text) == parsed(tool_format, *text)


@given(tool_format=st.sampled_from(FORMATS), text=answers)
def test_any_text_without_a_call_comes_out_as_it_went_in(tool_format: ToolFormat, text: str) -> None:
    events = parsed(tool_format, text)

    if not any(isinstance(event, ToolCallStart) for event in events):
        assert "".join(event.text for event in events if isinstance(event, ContentDelta)) == text


@given(tool_format=st.sampled_from(FORMATS), text=answers)
def test_calls_of_any_text_are_numbered_known_and_valid(tool_format: ToolFormat, text: str) -> None:
    events = parsed(tool_format, text)

    starts = [event for event in events if isinstance(event, ToolCallStart)]
    ends = {event.index for event in events if isinstance(event, ToolCallEnd)}
    assert [start.index for start in starts] == list(range(len(starts)))
    assert {start.name for start in starts} <= TOOLS.keys()
    complete = [event.text for event in events if isinstance(event, ArgumentsDelta) and event.index in ends]
    assert len(complete) == len(ends)
    assert all(is_json_object(arguments) and isinstance(json.loads(arguments), dict) for arguments in complete)


@pytest.mark.parametrize("tool_format", FORMATS, ids=lambda each: each.name)
@pytest.mark.parametrize("call_before", ["", '<tool_call>{"name": "now"}', '{"name": "now"}', "[TOOL_CALLS]now{}"])
def test_a_long_run_of_whitespace_is_not_held_back(tool_format: ToolFormat, call_before: str) -> None:
    parser = new_parser(tool_format)
    parser.feed(call_before)

    given_out = [event.text for _ in range(1000) for event in parser.feed(" \n") if isinstance(event, ContentDelta)]

    assert len("".join(given_out)) >= 2000 - 1 - MAX_SPACE
    assert joined([ContentDelta("".join(given_out)), *parser.finish()]) == content(" \n" * 1000)


@pytest.mark.parametrize("num_spaces", [MAX_SPACE - 1, MAX_SPACE, MAX_SPACE + 1, 500])
def test_whitespace_around_calls_does_not_hide_them(num_spaces: int) -> None:
    space = " " * num_spaces
    text = f'{space}<tool_call>{space}{{"name": "now"}}{space}</tool_call>{space}<tool_call>{{"name": "now"}}'

    events = parsed(HERMES, text)

    assert [event for event in events if isinstance(event, ToolCallEnd)] == [ToolCallEnd(0), ToolCallEnd(1)]
    assert parsed(HERMES, *text) == events


@pytest.mark.parametrize(("num_spaces", "is_closed"), [(MAX_SPACE, True), (MAX_SPACE + 1, False)])
def test_a_closing_tag_after_much_whitespace_is_content(num_spaces: int, is_closed: bool) -> None:
    end = f"{' ' * num_spaces}</tool_call>"

    assert parsed(HERMES, f'<tool_call>{{"name": "now"}}{end}') == [
        *call(0, "now", "{}"),
        *([] if is_closed else content(end)),
    ]


def test_what_has_no_end_as_a_name_is_not_held_back() -> None:
    text = f"[TOOL_CALLS]{'weather ' * 100}"

    assert joined(new_parser(MISTRAL_ARGS).feed(text)) == content(text.rstrip())
