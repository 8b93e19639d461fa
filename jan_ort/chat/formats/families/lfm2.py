"""LFM2's format: a list of calls as Python writes them, between tags.

Sources: the chat templates of LFM2 and LFM2.5, as their repositories publish them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.call_history import as_json
from jan_ort.chat.formats.python_calls import PythonCallsReader, python_grammar
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_reader import CallReader, Opening

_MARKS = ("<|tool_call_start|>", "<|tool_list_start|>", "List of tools: [")
_OPENING, _CLOSING = "<|tool_call_start|>", "<|tool_call_end|>"


class Lfm2Format(ToolFormat):
    """The format of LFM2, whose first templates write no calls, but results."""

    name = "lfm2"
    markers = (_OPENING, _CLOSING)
    openings = (Opening(_OPENING),)
    result_role = "tool"

    closings = (")]", ")", "]")

    def detects(self, template: TemplateView) -> bool:
        """Whether the template knows tools and writes their list, or calls, between LFM2's tags."""
        is_marked = (
            _OPENING in template.text or "<|tool_list_start|>" in template.text or "List of tools: [" in template.text
        )
        return template.knows_tools and is_marked

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader of a list."""
        return PythonCallsReader(tools, closing=_CLOSING)

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of one list between the tags."""
        return python_grammar(grammar, grammar.start(_OPENING, f"calls {grammar.marker(_CLOSING)}", between=None))

    def call_text(self, functions: Sequence[Mapping[str, Any]]) -> str:
        """Return calls as the models write them."""
        return f"{_OPENING}[{', '.join(map(_written, functions))}]{_CLOSING}"


def _written(function: Mapping[str, Any]) -> str:
    arguments = function["arguments"]
    given = arguments.items() if isinstance(arguments, Mapping) else [("text", arguments)]
    return f"{function['name']}({', '.join(f'{name}={as_json(value)}' for name, value in given)})"
