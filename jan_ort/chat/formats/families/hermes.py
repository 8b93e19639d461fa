"""Hermes' format: ``<tool_call>{"name": …, "arguments": {…}}</tool_call>``, once for each call.

Sources: the chat templates of Hermes 2 Pro, Qwen 2.5 and Qwen 3, as their repositories publish them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.json_calls import JsonCallsReader
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_reader import CallReader, Opening

_OPENING, _CLOSING = "<tool_call>", "</tool_call>"
_XML = ("<function=", "<arg_key>")
"""What Qwen 3 Coder and GLM write between Hermes' tags, in place of JSON."""


class HermesFormat(ToolFormat):
    """The format of Hermes, Qwen, SmolLM, and many models after them."""

    name = "hermes"
    markers = (_OPENING, _CLOSING)
    openings = (Opening(_OPENING),)

    def detects(self, template: TemplateView) -> bool:
        """Whether the template knows tools and writes the tags, with JSON between them."""
        return template.knows_tools and _OPENING in template.text and not any(mark in template.text for mark in _XML)

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader that also takes a list: SmolLM2 was taught to write several calls so."""
        return JsonCallsReader(tools, closing=_CLOSING, has_list=True)

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of calls in tags of their own, one a line."""
        body = f'"\\n" call "\\n" {grammar.marker(_CLOSING)}'
        return grammar.lark(
            grammar.start(_OPENING, body, between='"\\n" '), partial(grammar.object_call, key="arguments")
        )
