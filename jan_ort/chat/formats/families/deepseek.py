"""DeepSeek's formats: the kind of call, its name and its arguments in a fence, or name and arguments alone.

Sources: the chat templates of DeepSeek V3, R1 and V3.1, as their repositories publish them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.call_history import as_text
from jan_ort.chat.formats.headed_calls import Following, HeadedCallsReader
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_reader import CallReader, Opening
from jan_ort.chat.tools.lark_text import quoted

_CALLS, _END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
_CALL, _SEP, _CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
_FENCE = "\n```json\n"
_HEAD = re.compile(rf"\s*(?:{_CALL})?\s*(?:function\s*{_SEP})?\s*(?P<name>[\w.-]+)\s*(?:{_SEP})?\s*(?:```json)?\s*")


class DeepSeekFormat(ToolFormat):
    """The fenced form of V3 and R1."""

    name = "deepseek"
    markers = (_CALLS, _END, _CALL, _SEP, _CALL_END)
    openings = (Opening(_CALLS), Opening(_CALL))
    closings = (_END,)
    _before, _between, _after = f"function{_SEP}", _FENCE, "\n```"

    def detects(self, template: TemplateView) -> bool:
        """Whether the template writes the marker and a fence."""
        return _CALL in template.text and "```json" in template.text

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader of both forms."""
        after = {"```": Following.MORE, _CALL_END: Following.MORE, _CALL: Following.CALL, _END: Following.END}
        return HeadedCallsReader(tools, head=_HEAD, after=after)

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of calls between the markers of all of them."""
        begin, end = grammar.marker(_CALL), grammar.marker(_CALL_END)
        calls = grammar.several(f"{begin} call {end}", between=f"{quoted(self._joint)} " if self._joint else "")

        def rules(at: int, tool: Tool) -> Iterator[str]:
            before = grammar.marker(f"{self._before}{tool.name}{self._between}")
            yield from grammar.json_call(at, tool, before, f" {quoted(self._after)}" if self._after else "")

        return grammar.lark(grammar.start(_CALLS, f"{calls} {grammar.marker(_END)}", between=None), rules)

    _joint = "\n"

    def shape(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages without content beside calls: some templates write calls only where it is none."""
        return [self._without_content(message) if "tool_calls" in message else message for message in messages]

    def _without_content(self, message: dict[str, Any]) -> dict[str, Any]:
        if not message["content"]:
            return message | {"content": None}
        rest = {key: value for key, value in message.items() if key != "tool_calls"}
        calls = self.call_text([call["function"] for call in message["tool_calls"]])
        return rest | {"content": message["content"] + calls}

    def call_text(self, functions: Sequence[Mapping[str, Any]]) -> str:
        """Return calls as the templates write them."""
        calls = [
            f"{_CALL}{self._before}{each['name']}{self._between}{as_text(each['arguments'])}{self._after}{_CALL_END}"
            for each in functions
        ]
        return f"{_CALLS}{self._joint.join(calls)}{_END}"


class DeepSeekBareFormat(DeepSeekFormat):
    """The form of V3.1, without kind and fence."""

    name = "deepseek_bare"
    _before, _between, _after, _joint = "", _SEP, "", ""

    def detects(self, template: TemplateView) -> bool:
        """Whether the template writes the marker and no fence."""
        return _CALL in template.text and "```json" not in template.text
