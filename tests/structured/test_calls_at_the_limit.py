"""Forced calls of every format under adversarial schemas: read back as they are held, and closed at the limit."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from typing import Any

import jsonschema_rs
import pytest

from jan_ort.chat.reasoning import AnswerParser, ThinkingParser
from jan_ort.chat.tools import ArgumentsDelta, ContentDelta, Tool, ToolCallEnd, ToolCallParser, ToolChoice, ToolPlan
from jan_ort.chat.tools.lark_text import as_parts
from jan_ort.structured.compiler import CompiledGrammar
from jan_ort.structured.json_schema.schema_checks import checked_schema
from jan_ort.structured.marks import Marks
from tests.chat.formats.test_call_grammar import written
from tests.chat.tools.parsing import BY_NAME
from tests.structured.walking import Model, walk

DELIMITERS = [
    *("</parameter>", "\n</parameter>\n", "</function>", "</tool_call>", "</arg_value>", "<arg_value>", "```", "\n```"),
    *("<｜tool▁call▁end｜>", "[TOOL_CALLS]", "[ARGS]", "<|tool_call_end|>", "<|END_ACTION|>", "<|/tool_call|>"),
    *(")]", '")', "'", "\\", '"', "}]", "; ", "<|python_tag|>", "</think>", "é", ""),
]


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


TEXTS = {"type": "array", "items": {"type": "string"}}
SCHEMAS = {
    "enum": _object(a={"type": "string", "enum": DELIMITERS}),
    "const": _object(a={"type": "string", "const": "a</parameter>\n</arg_value>"}),
    "inner": _object(a={"enum": [*DELIMITERS, 1]}, b={"type": "array", "items": {"enum": DELIMITERS}, "maxItems": 2}),
    "names": {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in DELIMITERS},
        "additionalProperties": False,
    },
    "free": _object(s={"type": "string"}, texts=TEXTS, n={"type": "integer"}),
    "lengths": _object(m={"type": "string", "minLength": 3, "maxLength": 6, "enum": ["ab", "abc", '"abc"']}),
    "long": _object(o={"type": "object"}, m={"type": "string", "minLength": 3}),
}
ROOM = 260
"""Tokens that leave room for the shortest call of each format and schema."""
FORMATS = [name for name in BY_NAME if name not in ("described", "harmony")]


@dataclass(frozen=True)
class Forced:
    """A forced call of one tool, in one format."""

    name: str
    tool: Tool
    grammar: CompiledGrammar

    def read(self, text: str, *, is_cut: bool) -> tuple[str, Any, bool]:
        """Return content, arguments, and whether the call is whole."""
        parser: AnswerParser = ToolCallParser(BY_NAME[self.name], {"f": self.tool}, is_forced=True)
        if (thoughts := BY_NAME[self.name].thoughts) is not None:
            parser = ThinkingParser(thoughts.stage(is_thinking=False, callable_names={"f"}), parser)
        events = [event for char in text for event in parser.feed(char)] + parser.finish(is_cut=is_cut)
        content = "".join(each.text for each in events if isinstance(each, ContentDelta))
        arguments = "".join(each.text for each in events if isinstance(each, ArgumentsDelta))
        return content, arguments, any(isinstance(each, ToolCallEnd) for each in events)


def _forced(name: str, schema: dict[str, Any], model: Model) -> Forced:
    tool = Tool("f", "", checked_schema(schema))
    plan = ToolPlan((tool,), ToolChoice.REQUIRED, (tool,), is_parallel=False, is_legacy=False)
    tool_format = BY_NAME[name]
    marks = Marks([as_parts(each, {}) for each in tool_format.closings], tool_format.needs_closings)
    grammar = model.compiler.lark(written(tool_format, plan), closes=True, marks=marks)
    return Forced(name, replace(tool, parameters=schema), grammar)


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_forced_call_is_whole_and_keeps_its_schema(name: str, schema: str, model: Model) -> None:
    forced = _forced(name, SCHEMAS[schema], model)

    for seed in range(2):
        walked = walk(model, forced.grammar, random.Random(seed), ROOM + 7 * seed)
        content, arguments, is_whole = forced.read(walked.text, is_cut=not walked.constraint.is_accepting())

        assert (content.strip(), is_whole) == ("", True), walked.text
        assert jsonschema_rs.is_valid(SCHEMAS[schema], json.loads(arguments)), walked.text


@pytest.mark.parametrize("schema", ["free", "inner"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_forced_call_at_any_limit_is_whole_or_only_cut(name: str, schema: str, model: Model) -> None:
    forced = _forced(name, SCHEMAS[schema], model)

    for max_tokens in range(1, 100, 9):
        walked = walk(model, forced.grammar, random.Random(max_tokens), max_tokens)
        content, arguments, is_whole = forced.read(walked.text, is_cut=not walked.constraint.is_accepting())

        assert content.strip() == "", walked.text
        assert not is_whole or jsonschema_rs.is_valid(SCHEMAS[schema], json.loads(arguments)), walked.text


@pytest.mark.parametrize("name", ["qwen3_coder", "glm"])
def test_a_mark_that_has_been_begun_is_gone_on_with(name: str, model: Model) -> None:
    forced = _forced(name, _object(s={"type": "string"}), model)
    end = {"qwen3_coder": "\n</param", "glm": "</arg_va"}[name]
    begun = {"qwen3_coder": "<tool_call>\n<function=f>\n<parameter=s>\n", "glm": "<tool_call>f\n<arg_key>s</arg_key>\n"}
    begun["glm"] += "<arg_value>"
    constraint = forced.grammar.start()
    for token_id in model.tokenizer.encode(f'{begun[name]}a "b{end}').tolist():
        constraint.accept(token_id)

    shortest = constraint.shortest()
    assert shortest is not None
    written_ids = []
    for remaining in range(shortest, 0, -1):
        mask = constraint.closing(remaining)
        written_ids.append(int((constraint.allowed() if mask is None else mask).argmax()))
        constraint.accept(written_ids[-1])

    _, arguments, is_whole = forced.read(f'{begun[name]}a "b{end}{model.tokenizer.decode(written_ids)}', is_cut=False)
    assert (json.loads(arguments), is_whole) == ({"s": 'a "b'}, True)
