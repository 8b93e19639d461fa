"""Calls whose arguments are tags around values without quotes, between Hermes' tags (hops 3 and 9)."""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.json_calls import JsonCallsReader
from jan_ort.chat.formats.plain_values import is_text, json_value, plain_properties, property_schemas, text_rules
from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_events import CallArguments, CallEnded, CallEvent, CallStarted
from jan_ort.chat.tools.call_reader import MAX_SPACE, CallReader, Opening
from jan_ort.chat.tools.json_scanner import WHITESPACE, JsonScanner
from jan_ort.chat.tools.lark_text import quoted

OPENING, CLOSING = "<tool_call>", "</tool_call>"
_MAX_HEAD = 256


@dataclass(frozen=True, slots=True)
class TagSyntax:
    """``head`` matches what names the function, ``key`` what begins an argument, each with the name as its group.

    ``begins_key`` is the text that it begins with. ``value_end`` ends a value, with ``padding`` on either side of it;
    ``call_end`` ends the arguments, before the closing of all formats, or is empty.
    """

    head: re.Pattern[str]
    key: re.Pattern[str]
    begins_key: str
    value_end: str
    padding: str
    call_end: str


class TaggedFormat(ToolFormat):
    """What such formats share; schemas that need JSON are written as JSON, which these models also know."""

    markers = (OPENING, CLOSING)
    openings = (Opening(OPENING),)
    needs_closings = True
    syntax: TagSyntax

    @abstractmethod
    def head(self, name: str) -> str:
        """Return what names a function, in a grammar."""

    @abstractmethod
    def key(self, name: str) -> str:
        """Return what begins an argument, in a grammar."""

    @property
    def closings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What ends a value, and then a call."""
        value = f"{self.syntax.padding}{self.syntax.value_end}{self.joint}"
        call = f"{self.syntax.call_end}{self.joint}" if self.syntax.call_end else ""
        return (value, call + CLOSING)

    joint = "\n"
    """What stands between two parts of a call, in a grammar."""

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return the reader of one call."""
        return TaggedReader(tools, self.syntax)

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of calls in tags of their own."""
        body = f"call {grammar.marker(CLOSING)}"

        def rules(at: int, tool: Tool) -> Iterator[str]:
            is_held = grammar.plan.is_forced or tool.is_strict
            properties = plain_properties(tool, self.syntax.value_end) if is_held else None
            if properties is None:
                yield from grammar.object_call(at, tool, "arguments")
            else:
                yield from self._rules(at, tool.name, properties)

        return grammar.lark(grammar.start(OPENING, body, between='"\\n" '), rules)

    def _rules(self, at: int, name: str, properties: Mapping[str, tuple[Any, bool]]) -> Iterator[str]:
        syntax = self.syntax
        pairs = [f"pair_{at}_{n}{'' if needed else '?'}" for n, (_, needed) in enumerate(properties.values())]
        end = quoted(f"{syntax.call_end}{self.joint}") if syntax.call_end else ""
        yield " ".join([f"call_{at}:", quoted(self.head(name)), *pairs, end])
        for n, (key, (schema, _)) in enumerate(properties.items()):
            ending = f"{syntax.padding}{syntax.value_end}"
            begin = quoted(self.key(key) + syntax.padding)
            if is_text(schema):
                yield f"pair_{at}_{n}: {begin} value_{at}_{n}"
                yield from text_rules(f"value_{at}_{n}", schema, ending, self.joint)
            else:
                yield f"pair_{at}_{n}: {begin} value_{at}_{n} {quoted(ending + self.joint)}"
                yield f"value_{at}_{n}: %json {json.dumps(schema)}"


class TaggedReader(CallReader):
    """Reads one call; a text is given out as it comes, any other value once it is whole."""

    def __init__(self, tools: Mapping[str, Tool], syntax: TagSyntax) -> None:
        super().__init__(tools)
        self._syntax = syntax
        self._schemas: Mapping[str, Any] = {}
        self._has_called = False
        self._joint = "{"
        self._is_text = False
        self._value_begins = False
        self._schema: Any = None
        self._scanner: JsonScanner | None = None
        self._inner: JsonCallsReader | None = None
        self._state: Callable[[], Sequence[CallEvent]] = self._in_head

    def feed(self, char: str) -> Sequence[CallEvent]:
        """Take the next character and return what is certain now."""
        if self._inner is not None:
            return self._from(self._inner, char)
        self.rest += char
        return self._state()

    def finish(self) -> None:
        """Take the answer's end: of a call that has begun, what is left is a part."""
        if self._inner is not None:
            self._inner.finish()
            self.rest = self._inner.rest
        elif self._has_called:
            self.rest = ""
        self.is_done = True

    def _from(self, inner: JsonCallsReader, char: str) -> Sequence[CallEvent]:
        events = inner.feed(char)
        self.rest, self.is_done = inner.rest, inner.is_done
        return events

    def _in_head(self) -> Sequence[CallEvent]:
        text = self.rest.lstrip(WHITESPACE)
        if text[:1] in ("{", "["):
            given, self._inner = self.rest, JsonCallsReader(self.tools, closing=CLOSING, has_list=True)
            return [event for char in given for event in self._from(self._inner, char)]
        found = self._syntax.head.match(self.rest)
        if found is None:
            self.is_done = len(self.rest) > _MAX_HEAD
            return []
        if found[1] not in self.tools:
            self.is_done = True
            return []
        self._schemas = property_schemas(self.tools[found[1]])
        self.rest, self._has_called = self.rest[found.end() :], True
        self._state = self._between
        return [CallStarted(found[1]), *self._between()]

    def _between(self) -> Sequence[CallEvent]:
        text = self.rest.strip(WHITESPACE)
        if found := self._syntax.key.match(self.rest):
            return self._begin_value(found)
        for end in (self._syntax.call_end, CLOSING):
            if end and text == end:
                self.rest = ""
                self.is_done = end == CLOSING
                self._state = self._behind
                return [CallArguments("{}" if self._joint == "{" else "}"), CallEnded()]
        begins = (self._syntax.begins_key, self._syntax.call_end, CLOSING)
        if any(each.startswith(text) for each in begins if each) or text.startswith(self._syntax.begins_key):
            return []
        self.is_done = True
        return [CallEnded(is_complete=False)]

    def _begin_value(self, found: re.Match[str]) -> Sequence[CallEvent]:
        self._schema = self._schemas.get(found[1])
        self._is_text, self._value_begins = is_text(self._schema), True
        self.rest = self.rest[found.end() :]
        self._state = self._in_value
        begin = f"{self._joint}{json.dumps(found[1], ensure_ascii=False)}: "
        self._joint = ", "
        return [CallArguments(begin + ('"' if self._is_text else ""))]

    def _in_value(self) -> Sequence[CallEvent]:
        end, padding = self._syntax.value_end, self._syntax.padding
        if self._value_begins and self.rest == padding:
            self.rest, self._value_begins = "", False
            return []
        self._value_begins = False
        if not self._is_text:
            return self._in_json()
        if self.rest.endswith(end):
            return self._end_value(len(self.rest) - len(end))
        whole = padding + end
        num_held = next((n for n in range(min(len(whole), len(self.rest)), 0, -1) if self.rest.endswith(whole[:n])), 0)
        num_held = max(num_held, next((n for n in range(len(end), 0, -1) if self.rest.endswith(end[:n])), 0))
        given, self.rest = self.rest[: len(self.rest) - num_held], self.rest[len(self.rest) - num_held :]
        return [CallArguments(_inside(given))] if given else []

    def _in_json(self) -> Sequence[CallEvent]:
        """Take a character of what is no text: a text inside of JSON may hold anything, what ends a value too."""
        end = self._syntax.value_end
        if self._scanner is None and self.rest.strip(WHITESPACE) in ("{", "[", '"'):
            self._scanner = JsonScanner()
        if self._scanner is not None and not self._scanner.is_done:
            if self._scanner.feed(self.rest[-1]):
                return []
            self._scanner = None
            at = self.rest.find(end)
        else:
            at = len(self.rest) - len(end) if self.rest.endswith(end) else -1
        return [] if at < 0 else self._end_value(at)

    def _end_value(self, at: int) -> Sequence[CallEvent]:
        """End the value ``at`` this place, and read what stands behind its end."""
        value, after = self.rest[:at].removesuffix(self._syntax.padding), self.rest[at + len(self._syntax.value_end) :]
        self.rest, self._state, self._scanner = "", self._between, None
        written = _inside(value) + '"' if self._is_text else json_value(value, self._schema)
        events: list[CallEvent] = [CallArguments(written)]
        for number, char in enumerate(after):
            events += self.feed(char)
            if self.is_done:
                self.rest += after[number + 1 :]
                break
        return events

    def _behind(self) -> Sequence[CallEvent]:
        text = self.rest.strip(WHITESPACE)
        if text == CLOSING:
            self.rest = ""
        self.is_done = not CLOSING.startswith(text) or text == CLOSING or len(self.rest) > MAX_SPACE + len(text)
        return []


def _inside(text: str) -> str:
    """Return a text as it stands between JSON's quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
