"""Phi-4-mini's format: JSON objects between ``<|tool_call|>`` and ``<|/tool_call|>``, one or a list.

Sources: the model card and the chat template of Phi-4-mini-instruct, as its repository publishes them.
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
from jan_ort.chat.messages import with_instruction
from jan_ort.chat.tools import Tool, ToolPlan
from jan_ort.chat.tools.call_reader import CallReader, Opening

_OPENING, _CLOSING, _FUNCTOOLS = "<|tool_call|>", "<|/tool_call|>", "functools"


class Phi4Format(ToolFormat):
    """The format of Phi-4-mini, whose own template takes the tools out of the system message."""

    name = "phi4"
    markers = (_OPENING, _CLOSING)
    openings = (Opening(_OPENING), Opening(_FUNCTOOLS, begins_line=True))
    result_role = "tool_response"

    def detects(self, template: TemplateView) -> bool:
        """Whether the template writes tools between Phi-4's tags."""
        return "<|tool|>" in template.text and "<|/tool|>" in template.text

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader of objects or a list; the models also write it after ``functools``, which closes nothing."""
        return JsonCallsReader(tools, closing="" if opening == _FUNCTOOLS else _CLOSING, has_list=True)

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of one list of calls."""
        comma = '", " '
        body = f'"[" {grammar.several("call", between=comma)} "]" {grammar.marker(_CLOSING)}'
        return grammar.lark(grammar.start(_OPENING, body, between=None), partial(grammar.object_call, key="arguments"))

    def adapt(
        self, messages: Sequence[Mapping[str, Any]], plan: ToolPlan | None, template: TemplateView
    ) -> list[dict[str, Any]]:
        """Return the messages; of a template that knows no variable ``tools``, the system message has them."""
        if template.knows_tools or plan is None or not plan.callable_tools:
            return super().adapt(messages, None, template)
        plain = with_instruction(super().adapt(messages, None, template), "")
        functions = as_json([tool.as_request()["function"] for tool in plan.tools])
        return [plain[0] | {"content": plain[0]["content"].rstrip("\n"), "tools": functions}, *plain[1:]]

    def call_text(self, functions: Sequence[Mapping[str, Any]]) -> str:
        """Return calls as the models write them."""
        return f"{_OPENING}[{', '.join(map(as_json, functions))}]{_CLOSING}"
