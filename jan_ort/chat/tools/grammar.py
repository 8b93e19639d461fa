"""What a model may write where its calls are constrained, as a grammar (hop 3).

The text is in llguidance's dialect of Lark, with one JSON schema for each tool's arguments. It follows each format's
usual spacing, and allows no other, so that whitespace cannot run away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jan_ort.chat.tools.formats import ToolFormat
from jan_ort.chat.tools.plan import Tool, ToolChoice, ToolPlan

MAX_FORCED_CALLS = 16
"""Calls of one forced answer; a small model would otherwise repeat itself to the end of its context."""

_SPACING = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_COMBINING = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "unevaluatedProperties"}
)


def tool_grammar(
    plan: ToolPlan, tool_format: ToolFormat, special_token_ids: Mapping[str, int] | None = None
) -> str | None:
    """Return the grammar of the whole answer, None where the model is free: no tool is strict, and no call required.

    ``special_token_ids`` are the ids of those ``tool_format.markers`` that are special tokens of the tokenizer: a
    grammar must name them by id, because their text stands for other tokens. The schemas are taken as they are; whether
    they can be compiled is for the compiler to say.
    """
    if plan.is_forced:
        return forced_grammar(plan, tool_format, special_token_ids)
    if plan.choice is ToolChoice.AUTO and any(tool.is_strict for tool in plan.callable_tools):
        return auto_grammar(plan, tool_format, special_token_ids)
    return None


def forced_grammar(plan: ToolPlan, tool_format: ToolFormat, special_token_ids: Mapping[str, int] | None = None) -> str:
    """Return the grammar of one or more calls of ``plan.callable_tools``; of one, unless the plan is parallel."""
    forms = _Forms(tool_format, special_token_ids or {})
    several = plan.is_parallel and tool_format is not ToolFormat.LLAMA3  # whose models are taught one call at a time
    return _lark([f"start: {forms.calls(several=several)}"], plan, forms)


def auto_grammar(plan: ToolPlan, tool_format: ToolFormat, special_token_ids: Mapping[str, int] | None = None) -> str:
    """Return the grammar of any text in which whatever opens a call is one; arguments of strict tools keep the schema.

    Without parallel calls the answer ends with its first call.
    """
    forms = _Forms(tool_format, special_token_ids or {})
    return _lark(forms.text_and_calls(several=plan.is_parallel), plan, forms)


def arguments_schema(tool: Tool) -> dict[str, Any]:
    """Return the schema that constrained arguments follow: the tool's own, of type object.

    An object that lists its properties and does not speak of others gets no others: what satisfies that also satisfies
    the tool's schema, and a model that is forced would otherwise invent some.
    """
    schema: dict[str, Any] = {"type": "object", "properties": {}, **tool.parameters, "x-guidance": _SPACING}
    is_plain = "additionalProperties" not in schema and not _COMBINING & schema.keys()
    if is_plain and set(schema.get("required", ())) <= set(schema["properties"]):
        schema["additionalProperties"] = False
    return schema


def _lark(rules: list[str], plan: ToolPlan, forms: _Forms) -> str:
    tools = plan.callable_tools
    lines = [*rules, f"call: {' | '.join(f'call_{at}' for at in range(len(tools)))}"]
    for at, tool in enumerate(tools):
        keeps_schema = plan.is_forced or tool.is_strict
        schema = arguments_schema(tool) if keeps_schema else {"type": "object", "x-guidance": _SPACING}
        lines.append(f"call_{at}: {forms.call(tool.name, f'arguments_{at}')}")
        lines.append(f"arguments_{at}: %json {json.dumps(schema)}")
    return "\n".join(lines) + "\n"


class _Forms:
    """The texts around the parts of a call, as Lark expressions."""

    def __init__(self, tool_format: ToolFormat, special_token_ids: Mapping[str, int]) -> None:
        self._format = tool_format
        self._ids = special_token_ids

    def calls(self, *, several: bool) -> str:
        """One call or several, and nothing else."""
        if self._format is ToolFormat.LLAMA3:
            return "call"
        one = f"{self._marker(self._opening)} {self._body(several=several)}"
        if not several or self._format is ToolFormat.MISTRAL:  # whose several calls have one opening
            return one
        between = "" if self._format is ToolFormat.MISTRAL_ARGS else '"\\n" '
        return f"{one} ({between}{one}){{0,{MAX_FORCED_CALLS - 1}}}"

    def text_and_calls(self, *, several: bool) -> list[str]:
        """Rules for text with calls in it, or at its end if there may be only one."""
        if self._format is ToolFormat.LLAMA3:
            tagged = f" | {self._marker(self._opening)} call" if self._opening in self._ids else ""
            return [f"start: call{tagged} | TEXT", r"TEXT: /(\s*[^{\s](.|\n)*)?/"]
        opened = f"opening {self._body(several=several)}"
        if self._opening in self._ids:
            opening = f"opening: text {self._marker(self._opening)}"
        else:
            opening = f"opening[lazy]: TEXT {self._marker(self._opening)}"
        start = f"start: ({opened})* text" if several else f"start: {opened} | text"
        return [start, opening, "text: TEXT", r"TEXT: /(.|\n)*/"]

    def call(self, name: str, arguments: str) -> str:
        """One call without what opens and closes it."""
        if self._format is ToolFormat.MISTRAL_ARGS:
            return f"{_quoted(name)} {self._marker('[ARGS]')} {arguments}"
        key = "parameters" if self._format is ToolFormat.LLAMA3 else "arguments"
        beginning = f'{{"name": {json.dumps(name)}, "{key}": '
        return f'{_quoted(beginning)} {arguments} "}}"'

    @property
    def _opening(self) -> str:
        return self._format.markers[0]

    def _body(self, *, several: bool) -> str:
        """What follows an opening."""
        if self._format is ToolFormat.MISTRAL_ARGS:
            return "call"
        if self._format is ToolFormat.MISTRAL:
            more = f' (", " call){{0,{MAX_FORCED_CALLS - 1}}}' if several else ""
            return f'" [" call{more} "]"'
        return f'"\\n" call "\\n" {self._marker("</tool_call>")}'

    def _marker(self, text: str) -> str:
        return f"<[{self._ids[text]}]>" if text in self._ids else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text)
