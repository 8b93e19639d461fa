"""Every format: recognised, forced, and read at every split of its stream without markup in the content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from jan_ort.chat.formats import FORMATS, find_format, read_template
from jan_ort.chat.formats.plain_values import value_as_json
from jan_ort.chat.reasoning import AnswerParser, ThinkingParser
from jan_ort.chat.tools import ArgumentsDelta, ContentDelta, Event, Tool, ToolCallEnd, ToolCallStart
from tests.chat.formats.answers import EXAMPLES, Example
from tests.chat.formats.test_call_grammar import accepts, plan_of, written
from tests.chat.tools.parsing import BY_NAME, TOOLS, joined, new_parser

KNOWN = [each.name for each in FORMATS if each.name != "described"]


def parser_of(name: str, tools: Mapping[str, Tool]) -> AnswerParser:
    tool_format = BY_NAME[name]
    parser = new_parser(tool_format, tools=tools)
    if tool_format.thoughts is None:
        return parser
    return ThinkingParser(tool_format.thoughts.stage(is_thinking=False, callable_names=tools), parser)


def events_of(name: str, *pieces: str, is_cut: bool = False, tools: Mapping[str, Tool] = TOOLS) -> list[Event]:
    parser = parser_of(name, tools)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return joined([*events, *parser.finish(is_cut=is_cut)])


def calls_of(events: list[Event]) -> list[tuple[str, object]]:
    arguments = {event.index: event.text for event in events if isinstance(event, ArgumentsDelta)}
    return [(each.name, json.loads(arguments[each.index])) for each in events if isinstance(each, ToolCallStart)]


def content_of(events: list[Event]) -> str:
    return "".join(each.text for each in events if isinstance(each, ContentDelta))


def test_every_format_has_an_example() -> None:
    assert sorted(KNOWN) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", KNOWN)
def test_a_template_is_of_one_format(name: str) -> None:
    view = read_template(EXAMPLES[name].template)

    assert [each.name for each in FORMATS if each.detects(view)] == [name, "described"]
    assert find_format(view).name == name


@pytest.mark.parametrize("name", KNOWN)
def test_an_answer_is_read_alike_at_every_split(name: str) -> None:
    example = EXAMPLES[name]
    text = example.answer

    whole = events_of(name, text)

    expected = [("weather", {"city": "Bern", "days": 3}), ("now", {})][: example.num_calls]
    assert calls_of(whole) == expected
    assert sum(isinstance(each, ToolCallEnd) for each in whole) == example.num_calls
    assert content_of(whole) == ""
    assert events_of(name, *text) == whole
    assert [events_of(name, text[:at], text[at:]) for at in range(len(text))] == [whole] * len(text)


@pytest.mark.parametrize("name", KNOWN)
def test_a_name_may_hold_points(name: str) -> None:
    example, own = EXAMPLES[name], "functions.of-weather.1"
    tools = {own: replace(TOOLS["weather"], name=own), "now": TOOLS["now"]}
    plan = plan_of()
    grammar = written(BY_NAME[name], replace(plan, tools=tuple(tools.values()), callable_tools=tuple(tools.values())))

    events = events_of(name, *example.answer.replace("weather", own), tools=tools)

    assert [called for called, _ in calls_of(events)] == [own, "now"][: example.num_calls]
    assert content_of(events) == ""
    assert accepts(grammar, example.forced.replace("weather", own))


@pytest.mark.parametrize("before", ["", "Let me look.\n\n"])
@pytest.mark.parametrize("name", KNOWN)
def test_an_answer_that_is_cut_anywhere_has_no_markup(name: str, before: str) -> None:
    if name == "harmony" and before:
        before = "<|channel|>commentary<|message|>Let me look.\n\n<|end|><|start|>assistant"
    text = before + EXAMPLES[name].answer

    for at in range(len(text) + 1):
        content = content_of(events_of(name, text[:at], is_cut=True))

        assert "Let me look.\n\n".startswith(content) or not content.strip(), (text[:at], content)


@pytest.mark.parametrize("name", KNOWN)
def test_a_text_after_and_around_is_content(name: str) -> None:
    if name == "harmony":
        return  # its calls end the answer
    text = f"Look: a < b.\n{EXAMPLES[name].answer}"

    events = events_of(name, *text)

    assert content_of(events) == "Look: a < b."
    assert len(calls_of(events)) == EXAMPLES[name].num_calls


@pytest.mark.parametrize("name", KNOWN)
def test_a_forced_call_is_what_the_models_write(name: str) -> None:
    example: Example = EXAMPLES[name]
    grammar = written(BY_NAME[name], plan_of())

    assert accepts(grammar, example.forced)
    assert not accepts(grammar, "Hello")
    assert not accepts(grammar, example.forced.replace("weather", "unknown"))
    assert not accepts(grammar, example.forced.replace("3", '"three"'))


def test_what_json_cannot_hold_is_no_argument_of_a_call() -> None:
    glm = "<tool_call>weather\n<arg_key>days</arg_key>\n<arg_value>1e999</arg_value>\n</tool_call>"
    events = events_of("glm", glm)
    assert [each.text for each in events if isinstance(each, ArgumentsDelta)] == ['{"days": "1e999"}']
    assert value_as_json({"a": "\ud800", "b": "é"}) == r'{"a": "\ud800", "b": "\u00e9"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        value_as_json([float("inf")])
