"""Granite 3's format: ``<|tool_call|>`` before a list of JSON objects.

Sources: the chat templates of Granite 3.1 to 3.3, as their repositories publish them. Granite 4 writes Hermes' tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.call_history import as_json
from jan_ort.chat.formats.json_calls import JsonCallsReader
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_reader import CallReader, Opening

_OPENING = "<|tool_call|>"
_COMMA = '", " '


class GraniteFormat(ToolFormat):
    """The format of Granite 3; the templates take a result's role as it is."""

    name = "granite"
    markers = (_OPENING,)
    openings = (Opening(_OPENING),)
    result_role = "tool"

    def detects(self, template: TemplateView) -> bool:
        """Whether the template writes the marker, and Granite's roles."""
        return _OPENING in template.text and "<|start_of_role|>" in template.text

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader of a list."""
        return JsonCallsReader(tools, has_list=True)

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of one list of calls."""
        body = f'"[" {grammar.several("call", between=_COMMA)} "]"'
        return grammar.lark(grammar.start(_OPENING, body, between=None), partial(grammar.object_call, key="arguments"))

    def call_text(self, functions: Sequence[Mapping[str, Any]]) -> str:
        """Return calls as the models write them."""
        return f"{_OPENING}[{', '.join(map(as_json, functions))}]"
