"""Command R's formats: a list of JSON objects as an action, between markers or in a fence.

Sources: the chat templates of Command R7B and Command R+ 08-2024, as their repositories publish them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.json_calls import JsonCallsReader
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.tools import Tool, ToolPlan
from jan_ort.chat.tools.call_reader import CallReader, Opening
from jan_ort.chat.tools.lark_text import quoted

_OPENING, _CLOSING = "<|START_ACTION|>", "<|END_ACTION|>"
_FENCE = "Action:\n```json"
_NUMBERED = quoted('{"tool_call_id": "')


class CommandRFormat(ToolFormat):
    """The form of Command R7B and Command A, whose calls are numbered."""

    name = "command_r"
    markers: tuple[str, ...] = (_OPENING, _CLOSING)
    openings: tuple[Opening, ...] = (Opening(_OPENING),)
    closings: tuple[str, ...] = ("\n]" + _CLOSING,)
    _closing = _CLOSING

    def detects(self, template: TemplateView) -> bool:
        """Whether the template knows tools and writes the markers."""
        return template.knows_tools and _OPENING in template.text

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader of a list."""
        return JsonCallsReader(tools, closing=self._closing, has_list=True)

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of one list of calls, a line each."""
        calls = grammar.several('"    " call', between='",\\n" ')
        body = f'"[\\n" {calls} "\\n]" {grammar.marker(_CLOSING)}'

        def rules(at: int, tool: Tool) -> Iterator[str]:
            named = quoted(f'", "tool_name": "{tool.name}", "parameters": ')
            yield from grammar.json_call(at, tool, f"{_NUMBERED} /[0-9]{{1,3}}/ {named}", ' "}"')

        return grammar.lark(grammar.start(_OPENING, body, between=None), rules)

    def shape(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages with the text beside calls where the templates look for it."""
        return [each | {"tool_plan": each["content"]} if each.get("tool_calls") else each for each in messages]


class CommandRPlusFormat(CommandRFormat):
    """The form of Command R and R+, in a fence."""

    name = "command_r_plus"
    markers = ()
    openings = (Opening(_FENCE, begins_line=True), Opening(_FENCE.replace("\n", " "), begins_line=True))
    closings = ("\n]\n```",)
    _closing = "```"

    def detects(self, template: TemplateView) -> bool:
        """Whether the template knows tools and asks for an action in a fence."""
        is_fenced = "Action:" in template.text and "tool_name" in template.text
        return template.knows_tools and is_fenced and _OPENING not in template.text

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of one list of calls in a fence."""
        calls = grammar.several('"    " call', between='",\\n" ')

        def rules(at: int, tool: Tool) -> Iterator[str]:
            before = quoted(f'{{\n        "tool_name": "{tool.name}",\n        "parameters": ')
            yield from grammar.json_call(at, tool, before, r' "\n    }"')

        return grammar.lark(grammar.start(_FENCE, f'"\\n[\\n" {calls} "\\n]\\n```"', between=None), rules)

    def template_tools(self, plan: ToolPlan | None) -> list[dict[str, Any]] | None:
        """Return the tools with a description of each parameter, without which the template fails."""
        tools = super().template_tools(plan)
        for tool in tools or ():
            parameters = tool["function"]["parameters"]
            properties = parameters.get("properties")
            if isinstance(properties, Mapping):
                parameters["properties"] = {name: _described(schema) for name, schema in properties.items()}
        return tools


def _described(schema: Any) -> dict[str, Any]:
    return {"description": "", "type": "string"} | (dict(schema) if isinstance(schema, Mapping) else {})
