"""Runs a parser over an answer, cut into pieces or whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from jan_ort.chat.formats import FORMATS, ToolFormat
from jan_ort.chat.tools import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    ReasoningDelta,
    Tool,
    ToolCallEnd,
    ToolCallParser,
    ToolCallStart,
)
from jan_ort.chat.tools.call_reader import CallSyntax

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 9}}}
TOOLS = {"weather": Tool("weather", "", PARAMETERS), "now": Tool("now", "", {})}
BY_NAME: Mapping[str, ToolFormat] = {each.name: each for each in FORMATS}
HERMES, LLAMA3, MISTRAL, MISTRAL_ARGS, DESCRIBED = map(
    BY_NAME.__getitem__, ("hermes", "llama3", "mistral", "mistral_args", "described")
)


def call(index: int, name: str, arguments: str) -> list[Event]:
    """The events of a complete call."""
    return [ToolCallStart(index, f"call_{index}", name), ArgumentsDelta(index, arguments), ToolCallEnd(index)]


def content(text: str) -> list[Event]:
    return [ContentDelta(text)]


def new_parser(syntax: CallSyntax, *, is_parallel: bool = True, tools: Mapping[str, Tool] = TOOLS) -> ToolCallParser:
    numbers = itertools.count()
    return ToolCallParser(syntax, tools, is_parallel=is_parallel, new_id=lambda: f"call_{next(numbers)}")


def parsed(syntax: CallSyntax, *pieces: str, is_parallel: bool = True) -> list[Event]:
    """Return the events of an answer that came in these pieces, neighbours joined."""
    parser = new_parser(syntax, is_parallel=is_parallel)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return joined([*events, *parser.finish()])


def joined(events: Iterable[Event]) -> list[Event]:
    result: list[Event] = []
    for event in events:
        last = result[-1] if result else None
        if isinstance(event, ContentDelta) and isinstance(last, ContentDelta):
            result[-1] = ContentDelta(last.text + event.text)
        elif isinstance(event, ReasoningDelta) and isinstance(last, ReasoningDelta):
            result[-1] = ReasoningDelta(last.text + event.text)
        elif isinstance(event, ArgumentsDelta) and isinstance(last, ArgumentsDelta):
            assert event.index == last.index
            result[-1] = ArgumentsDelta(event.index, last.text + event.text)
        else:
            result.append(event)
    return result
