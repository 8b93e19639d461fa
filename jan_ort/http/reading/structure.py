"""What the text must follow, compiled before anything is started (hop 3)."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from jan_ort.chat.tools import ToolChoice, ToolPlan
from jan_ort.chat.tools.lark_text import as_expression, as_parts
from jan_ort.http.api_error import bad_request
from jan_ort.http.reading.other_names import GenerationBody
from jan_ort.http.reading.text_rules import TextRule, grammar_of_choices, grammar_of_pattern, text_rule
from jan_ort.serving.generative import GenerativeModel
from jan_ort.structured.grammar_errors import StructuredError
from jan_ort.structured.json_schema.references import Steps
from jan_ort.structured.json_schema.schema_checks import checked_schema
from jan_ort.structured.json_schema.schema_grammar import JSON_OBJECT, or_json_text
from jan_ort.structured.marks import Marks
from jan_ort_openapi.models import ChatCompletionRequestResponseFormat

if TYPE_CHECKING:
    from jan_ort.structured.compiler import CompiledGrammar


_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Names of schemas, as in OpenAI's API."""

_ANY_ARGUMENTS = {"type": "object", "additionalProperties": True}

_Compiled = TypeVar("_Compiled")


async def compile_structure(model: GenerativeModel, body: GenerationBody) -> CompiledGrammar | None:
    """Return what the text must follow, None for nothing. Raises: ApiError 400 with the place of the mistake."""
    rule = rule_of(body)
    if rule is None:
        return None
    grammars = await model.grammar_pool()
    match rule.kind:
        case "grammar":
            return await _refusing(rule.param, grammars.gbnf(rule.value))
        case "regex":
            return await _refusing(rule.param, grammars.lark(grammar_of_pattern(rule.value)))
        case "choice":
            return await _refusing(rule.param, grammars.lark(grammar_of_choices(rule.value)))
    return await _refusing(rule.param, grammars.json_schema(rule.value))


def rule_of(body: GenerationBody) -> TextRule | None:
    """Return what the request says its text must follow. Raises: ApiError 400."""
    return text_rule(body, _rule_of_format(body.response_format))


def _rule_of_format(response_format: ChatCompletionRequestResponseFormat | None) -> TextRule | None:
    if response_format is None:
        return None
    if response_format.type == "text":
        _refuse_schema_of_text(response_format)
        return None
    param, schema = _schema(response_format)
    return TextRule("response_format", "json", JSON_OBJECT) if schema is None else TextRule(param, "json", schema)


def _refuse_schema_of_text(asked: ChatCompletionRequestResponseFormat) -> None:
    for name, given in (("schema", asked.schema_), ("json_schema", asked.json_schema)):
        if given is not None:
            message = f"{name} needs the type 'json_schema', not 'text'; change the type or leave it out"
            raise bad_request(f"response_format.{name}", message)


def _schema(asked: ChatCompletionRequestResponseFormat) -> tuple[str, object]:
    """Return the JSON schema in either spelling, None for any object, and the field that holds it."""
    newer = asked.json_schema
    if asked.type == "json_object":
        if newer is not None:
            raise bad_request("response_format.json_schema", "json_schema needs the type 'json_schema'")
        return "response_format.schema", asked.schema_
    if newer is not None:
        if not _NAME.fullmatch(newer.name):
            message = f"{newer.name[:64]!r} cannot name a schema; use 1 to 64 letters, digits, '_' and '-'"
            raise bad_request("response_format.json_schema.name", message)
        if asked.schema_ is not None:
            raise bad_request("response_format.schema", "schema and json_schema are both given; give one")
        if isinstance(newer.schema_, dict):
            return "response_format.json_schema.schema", newer.schema_
    param = "response_format.json_schema" if newer is None else "response_format.json_schema.schema"
    raise bad_request(param, "the type 'json_schema' needs its schema in response_format.json_schema.schema")


async def compile_calls(model: GenerativeModel, plan: ToolPlan, rule: TextRule | None) -> CompiledGrammar | None:
    """Return what an answer that may call tools must follow, None for a free one; ``rule`` is for its text.

    Raises: ApiError 400.
    """
    if rule is not None:
        await _check_text(model, rule)
    try:
        return await _calls(model, plan, None if rule is None else rule.value)
    except StructuredError as error:
        await _refuse_tool(model, plan)
        param = "functions" if plan.is_legacy else "tools"
        raise bad_request(param, f"{param}: {error}", code="invalid_schema") from error


async def _refuse_tool(model: GenerativeModel, plan: ToolPlan) -> None:
    """Refuse the first tool whose parameters cannot be held even alone. Raises: ApiError 400."""
    place = "functions.{}.parameters" if plan.is_legacy else "tools.{}.function.parameters"
    grammars = await model.grammar_pool()
    for tool in plan.callable_tools:
        if plan.is_forced or tool.is_strict:
            await _refusing(place.format(plan.tools.index(tool)), grammars.json_schema(tool.parameters))


async def _check_text(model: GenerativeModel, rule: TextRule) -> None:
    """Refuse a rule for the text beside calls that is no JSON schema, or cannot be held. Raises: ApiError 400."""
    if rule.kind != "json":
        param = rule.param.split(".")[0]
        message = f"{param} cannot be combined with tools that may be called; set tool_choice to 'none' or leave it out"
        raise bad_request(param, message)
    await _refusing(rule.param, (await model.grammar_pool()).json_schema(rule.value))


async def _calls(model: GenerativeModel, plan: ToolPlan, text: object) -> CompiledGrammar | None:
    # To read a schema may take a second, and conversations must not wait for that.
    is_read = plan.is_forced or text is not None or any(tool.is_strict for tool in plan.callable_tools)
    source = await model.rendering.run(lambda: _source_of_calls(model, plan, text), is_long=is_read)
    closes = plan.is_forced or text is not None
    if source is None:
        return None
    tool_format, grammars = model.tool_format, await model.grammar_pool()
    closings = [as_parts(each, model.tool_markers) for each in tool_format.closings]
    return await grammars.lark(source, closes=closes, marks=Marks(closings, tool_format.needs_closings))


def _source_of_calls(model: GenerativeModel, plan: ToolPlan, text: object) -> str | None:
    # A schema that nothing holds the answer to may say anything.
    steps = Steps()
    tools = [
        replace(tool, parameters=checked_schema(tool.parameters, steps)) if plan.is_forced or tool.is_strict else tool
        for tool in plan.callable_tools
    ]
    if plan.is_forced or text is None:
        checked = replace(plan, callable_tools=tuple(tools))
        return model.tool_format.grammar(checked, model.tool_markers)
    # What is no call keeps the schema: so the calls are written as if they were forced.
    open_tools = [tool if tool.is_strict else replace(tool, parameters=_ANY_ARGUMENTS) for tool in tools]
    forced = replace(plan, choice=ToolChoice.REQUIRED, callable_tools=tuple(open_tools))
    calls = model.tool_format.grammar(forced, model.tool_markers)
    assert calls is not None, "forced calls have a grammar"
    head = model.tool_format.text_head
    return or_json_text(
        calls, checked_schema(text, steps), head=as_expression(head, model.tool_markers) if head else ""
    )


async def _refusing(param: str, compiled: Awaitable[_Compiled]) -> _Compiled:
    """Return what is compiled. Raises: ApiError 400 naming ``param`` for what cannot be."""
    try:
        return await compiled
    except StructuredError as error:
        is_schema = param.rpartition(".")[2] in ("parameters", "schema", "json", "guided_json", "json_schema")
        code = "invalid_schema" if is_schema or param == "response_format" else "invalid_grammar"
        raise bad_request(param, f"{param}: {error}", code=code) from error
