"""What a model may write where its calls are constrained, as a grammar (hop 3).

The text is in llguidance's dialect of Lark, with one JSON schema for each tool's arguments. It follows each format's
usual spacing, and allows no other, so that whitespace cannot run away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jan_ort.chat.tools.lark_text import as_expression, quoted
from jan_ort.chat.tools.tool_plan import Tool, ToolChoice, ToolPlan

MAX_FORCED_CALLS = 16
"""Calls of one forced answer; a small model would otherwise repeat itself to the end of its context."""

_SPACING = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    # As in jan_ort/structured: a name spelled with \\u would go by as another one.
    "json_allowed_escapes": 'nrbtf\\"',
}
_COMBINING = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "unevaluatedProperties"}
)


def needs_grammar(plan: ToolPlan) -> bool:
    """Whether the answer is constrained: a call is required, or a tool that may be called is strict."""
    return plan.is_forced or (plan.choice is ToolChoice.AUTO and any(tool.is_strict for tool in plan.callable_tools))


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


@dataclass(frozen=True, slots=True)
class CallGrammar:
    """The parts of a grammar that formats share; each gives the texts around its calls, as Lark expressions.

    ``special_token_ids`` are markers that are special tokens, by their text.
    """

    plan: ToolPlan
    special_token_ids: Mapping[str, int]

    def marker(self, text: str) -> str:
        """Return a marker as an expression."""
        return as_expression(text, self.special_token_ids)

    def several(self, one: str, between: str = "") -> str:
        """Return one, or several where the plan is parallel."""
        return f"{one} ({between}{one}){{0,{MAX_FORCED_CALLS - 1}}}" if self.plan.is_parallel else one

    def start(self, opening: str, body: str, *, between: str | None = "") -> list[str]:
        """Return the rules of an answer whose calls are each ``body`` after the marker ``opening``.

        Forced, they are all of it, with ``between`` between two; there is one opening if that is None. Else the text is
        free, but whatever opens a call is one; without parallel calls the answer ends with it.
        """
        if self.plan.is_forced:
            one = f"{self.marker(opening)} {body}"
            return [f"start: {one if between is None else self.several(one, between)}"]
        if opening in self.special_token_ids:
            opened = f"opening: text {self.marker(opening)}"
        else:
            opened = f"opening[lazy]: TEXT {self.marker(opening)}"
        call = f"opening {body}"
        start = f"start: ({call})* text" if self.plan.is_parallel else f"start: {call} | text"
        return [start, opened, "text: TEXT", r"TEXT: /(.|\n)*/"]

    def lark(self, start: Iterable[str], rules: Callable[[int, Tool], Iterable[str]]) -> str:
        """Return the grammar; ``rules`` defines ``call_0`` for the plan's first tool, and so on."""
        tools = self.plan.callable_tools
        lines = [*start, f"call: {' | '.join(f'call_{at}' for at in range(len(tools)))}"]
        for at, tool in enumerate(tools):
            lines.extend(rules(at, tool))
        return "\n".join(lines) + "\n"

    def json_call(self, at: int, tool: Tool, before: str, after: str = "") -> list[str]:
        """Return the rules of a call whose arguments are JSON, with expressions around them."""
        keeps_schema = self.plan.is_forced or tool.is_strict
        schema = arguments_schema(tool) if keeps_schema else {"type": "object", "x-guidance": _SPACING}
        return [f"call_{at}: {before} arguments_{at}{after}", f"arguments_{at}: %json {json.dumps(schema)}"]

    def object_call(self, at: int, tool: Tool, key: str) -> list[str]:
        """Return the rules of a call written as an object of ``name`` and ``key``."""
        return self.json_call(at, tool, quoted(f'{{"name": {json.dumps(tool.name)}, "{key}": '), ' "}"')
