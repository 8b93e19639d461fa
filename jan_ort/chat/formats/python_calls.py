"""Calls as Python writes them, ``[f(a=1, b="x"), g()]``: how they are read, and their grammar (hops 3 and 9)."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jan_ort.chat.formats.call_grammar import CallGrammar, arguments_schema
from jan_ort.chat.formats.plain_values import value_as_json
from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_events import CallArguments, CallEnded, CallEvent, CallStarted
from jan_ort.chat.tools.call_reader import MAX_SPACE, SteppedReader
from jan_ort.chat.tools.json_scanner import WHITESPACE, is_json_object
from jan_ort.chat.tools.lark_text import quoted

_NAME = re.compile(r"[\w.-]*", re.ASCII)
_PAIR = re.compile(r"\s*(\w+)\s*=(?!=)(.*)", re.DOTALL)
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_MAX_HEAD = 128


def python_value(text: str) -> Any:
    """Return what a literal says, Python's or JSON's. Raises: ValueError for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(str(error)) from error


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None):
            return node.value
        case ast.Name(id=name) if name in _WORDS:
            return _WORDS[name]
        case ast.List() | ast.Tuple():
            return [_value(each) for each in node.elts]
        case ast.Dict():
            return {str(_value(key)): _value(each) for key, each in zip(node.keys, node.values, strict=True) if key}
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
    raise ValueError(f"no literal: {ast.unparse(node)[:40]}")


class PythonCallsReader(SteppedReader):
    """Reads a list of calls and ``closing`` after it; an argument is given out once it is whole.

    ``is_begun`` says that the bracket has been read already. A dictionary behind ``**`` is all arguments at once.
    Arguments that are none break their call off, and the list goes on behind it.
    """

    def __init__(self, tools: Mapping[str, Tool], *, closing: str = "", is_begun: bool = False) -> None:
        super().__init__(tools, self._before)
        self._closing = closing
        self._in_list = is_begun
        self._joint = "{"
        self._depth = 0
        self._quote = ""
        self._is_escaped = False
        self._is_broken = False

    def _before(self, char: str) -> Sequence[CallEvent]:
        text = self.rest.strip(WHITESPACE)
        if text == "[" and not self._in_list:
            self._in_list, self.rest = True, self.rest if not self._has_called else ""
        name = text.removeprefix("[").strip(WHITESPACE) if not self._has_called else text
        if name.endswith("(") and name[:-1].strip() in self.tools:
            self.rest, self._has_called = "", True
            self._joint, self._depth, self._quote, self._state = "{", 0, "", self._in_call
            self._is_broken = False
            return [CallStarted(name[:-1].strip())]
        self.is_done = len(self.rest) > _MAX_HEAD or _NAME.fullmatch(name.rstrip(WHITESPACE)) is None
        return []

    def _in_call(self, char: str) -> Sequence[CallEvent]:
        if self._quote:
            if self._is_escaped:
                self._is_escaped = False
            elif char == "\\":
                self._is_escaped = True
            elif char == self._quote:
                self._quote = ""
        elif char in "\"'":
            self._quote = char
        elif char in "([{":
            self._depth += 1
        elif char == ")" and not self._depth:
            return self._argument(is_last=True)
        elif char in ")]}":
            self._depth -= 1
        elif char == "," and not self._depth:
            return self._argument(is_last=False)
        return []

    def _argument(self, *, is_last: bool) -> Sequence[CallEvent]:
        text = self.rest[:-1].strip(WHITESPACE)
        events: list[CallEvent] = []
        self.rest = ""
        self._state = self._behind if is_last else self._state
        if self._is_broken:
            return []
        try:
            if text.startswith("**"):
                events.append(self._all(text[2:], is_last=is_last))
            elif text:
                events.append(self._pair(text))
        except ValueError:
            self._is_broken = True
            return [CallEnded(is_complete=False)]
        if is_last:
            end = {"{": "{}", "": ""}.get(self._joint, "}")
            return [*events, *([CallArguments(end)] if end else []), CallEnded()]
        return events

    def _pair(self, text: str) -> CallEvent:
        found = _PAIR.fullmatch(text)
        if found is None or not self._joint:
            raise ValueError("an argument without a name")
        value = value_as_json(python_value(found[2]))
        begin, self._joint = self._joint, ", "
        return CallArguments(f"{begin}{json.dumps(found[1])}: {value}")

    def _all(self, text: str, *, is_last: bool) -> CallEvent:
        value = value_as_json(python_value(text))
        if self._joint != "{" or not is_last or not is_json_object(value):
            raise ValueError("arguments that are not an object")
        self._joint = ""
        return CallArguments(value)

    def _behind(self, char: str) -> Sequence[CallEvent]:
        text = self.rest.strip(WHITESPACE)
        if text == "," and self._in_list:
            self.rest, self._state = "", self._before
        elif text == "]" and self._in_list:
            self._in_list, self.rest = False, ""
            self.is_done = not self._closing
        elif text and text == self._closing:
            self.rest, self.is_done = "", True
        elif len(self.rest) > MAX_SPACE + len(text) or (text and not self._closing.startswith(text)):
            self.is_done = True
        return []


def python_grammar(grammar: CallGrammar, start: Sequence[str]) -> str:
    """Return the grammar of a list of calls after the rules of ``start``, whose ``calls`` it is."""
    several = grammar.several("call", between='", " ')
    return grammar.lark([*start, f'calls: "[" {several} "]"'], lambda at, tool: _rules(grammar, at, tool))


def _rules(grammar: CallGrammar, at: int, tool: Tool) -> Iterator[str]:
    schema: dict[str, Any] = arguments_schema(tool) if grammar.plan.is_forced or tool.is_strict else {"type": "object"}
    properties: Mapping[str, Any] = schema.get("properties", {})
    shared = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    required = set(schema.get("required", ()))
    is_plain = schema.get("additionalProperties") is False and all(name.isidentifier() for name in properties)
    if not is_plain or not all(isinstance(each, Mapping) for each in properties.values()):
        yield f'call_{at}: {quoted(f"{tool.name}(**")} arguments_{at} ")"'
        yield f"arguments_{at}: %json {json.dumps(schema)}"
        return
    ordered = sorted(properties, key=lambda name: name not in required)
    pairs = [f"pair_{at}_{n}" for n in range(len(ordered))]
    needed = pairs[: len(required & properties.keys())]
    yield f"call_{at}: {quoted(f'{tool.name}(')} {_joined(needed, pairs[len(needed) :])} {quoted(')')}"
    for pair, name in zip(pairs, ordered, strict=True):
        value = {**properties[name], **shared}
        yield f"{pair}: {quoted(f'{name}=')} {pair}_value"
        is_bool = value.get("type") == "boolean" and not {"enum", "const"} & value.keys()
        yield f'{pair}_value: "True" | "False"' if is_bool else f"{pair}_value: %json {json.dumps(value)}"


def _joined(needed: Sequence[str], optional: Sequence[str]) -> str:
    """Return an expression of those that are needed and any of the others, in order, with commas between them."""
    rest = "".join(f' (", " {each})?' for each in optional)
    if needed:
        return ' ", " '.join(needed) + rest
    starts = [each + "".join(f' (", " {other})?' for other in optional[n + 1 :]) for n, each in enumerate(optional)]
    return f"({' | '.join(starts)})?" if starts else ""
