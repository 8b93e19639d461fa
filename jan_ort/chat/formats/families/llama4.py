"""Llama's other format: a list of calls as Python writes them, bare or between tags.

Sources: Meta's prompt formats for Llama 3.2 and 4, and the chat templates that vLLM ships for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.python_calls import PythonCallsReader, python_grammar
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_reader import CallReader, Opening

_START, _END, _BARE = "<|python_start|>", "<|python_end|>", "["


class Llama4Format(ToolFormat):
    """The pythonic format, which the template explains with an example."""

    name = "llama4"
    markers = (_START, _END)
    openings = (Opening(_START), Opening(_BARE, begins_line=True))

    closings = (")]", ")", "]")

    def detects(self, template: TemplateView) -> bool:
        """Whether the template knows tools and explains the form in Meta's words."""
        return template.knows_tools and "[func_name1(param" in template.text

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader; a bare opening is the list's own bracket."""
        is_bare = opening == _BARE
        return PythonCallsReader(tools, closing="" if is_bare else _END, is_begun=is_bare)

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of one list, or of text that does not begin as one."""
        if grammar.plan.is_forced:
            return python_grammar(grammar, ["start: calls"])
        tagged = (
            f" | {grammar.marker(_START)} calls {grammar.marker(_END)}" if _START in grammar.special_token_ids else ""
        )
        return python_grammar(grammar, [f"start: calls{tagged} | TEXT", r"TEXT: /(\s*[^\[\s](.|\n)*)?/"])
