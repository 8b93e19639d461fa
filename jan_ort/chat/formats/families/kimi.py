"""Kimi K2's format: a section of calls, each with an id that names and counts it.

Sources: the chat templates of Kimi K2, as their repositories publish them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.headed_calls import Following, HeadedCallsReader
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_reader import CallReader, Opening
from jan_ort.chat.tools.lark_text import quoted

_SECTION, _END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
_CALL, _ARGUMENTS, _CALL_END = "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"
_HEAD = re.compile(
    rf"\s*(?:{re.escape(_CALL)})?\s*(?:functions\.)?(?P<name>[\w.-]+)(?::\d+)?\s*{re.escape(_ARGUMENTS)}\s*"
)


class KimiFormat(ToolFormat):
    """The format of Kimi K2, whose ids are of its own making."""

    name = "kimi"
    markers = (_SECTION, _END, _CALL, _ARGUMENTS, _CALL_END)
    openings = (Opening(_SECTION), Opening(_CALL))
    closings = (_END,)

    def detects(self, template: TemplateView) -> bool:
        """Whether the template writes a section of calls."""
        return _SECTION in template.text

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader of a section, or of calls without one."""
        after = {_CALL_END: Following.MORE, _CALL: Following.CALL, _END: Following.END}
        return HeadedCallsReader(tools, head=_HEAD, after=after)

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of one section."""
        call = f"{grammar.marker(_CALL)} call {grammar.marker(_CALL_END)}"
        start = grammar.start(_SECTION, f"{grammar.several(call)} {grammar.marker(_END)}", between=None)

        def rules(at: int, tool: Tool) -> Iterator[str]:
            before = f"{quoted(f'functions.{tool.name}:')} /[0-9]{{1,3}}/ {grammar.marker(_ARGUMENTS)}"
            yield from grammar.json_call(at, tool, before)

        return grammar.lark(start, rules)

    def shape(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages with ids as the models make them: the function, and how many calls there were before."""
        ids: dict[str, str] = {}
        shaped = []
        for message in messages:
            if "tool_calls" in message:
                for call in message["tool_calls"]:
                    ids[call["id"]] = f"functions.{call['function']['name']}:{len(ids)}"
                calls = [call | {"id": ids[call["id"]]} for call in message["tool_calls"]]
                message = message | {"tool_calls": calls}
            if "tool_call_id" in message:
                message = message | {"tool_call_id": ids.get(message["tool_call_id"], message["tool_call_id"])}
            shaped.append(message)
        return shaped
