"""What a request says about tools, in either spelling, as one plan (hop 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jan_ort_openapi.models import (
    ChatCompletionFunction,
    ChatCompletionNamedToolChoice,
    ChatCompletionRequestFunctionCallOption,
    ChatCompletionToolFunction,
    CreateChatCompletionRequest,
)

MAX_TOOLS = 128
"""Tools of one request, as in OpenAI's API."""

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
"""Names of functions, as in OpenAI's API, and with points, as those of MCP servers are."""


_OPTIONAL = ("type", "properties", "required")


class ToolError(Exception):
    """Raised when a request's tools cannot be served; ``param`` names the field."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


class ToolChoice(StrEnum):
    """Whether the model calls tools."""

    NONE = "none"
    AUTO = "auto"
    REQUIRED = "required"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; ``parameters`` is the JSON schema of its arguments, an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    is_strict: bool = False

    def as_request(self) -> dict[str, Any]:
        """Return the tool as chat templates read it; an absent description is empty, for some templates add to it."""
        function = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """Which tools there are, whether they are called, and how calls are answered.

    ``callable_tools`` are those that the answer may call: all, or the named one, or none. ``is_parallel`` allows
    several calls in one answer. ``is_legacy`` answers with ``function_call`` in place of ``tool_calls``.
    """

    tools: tuple[Tool, ...]
    choice: ToolChoice
    callable_tools: tuple[Tool, ...]
    is_parallel: bool
    is_legacy: bool

    @property
    def by_name(self) -> dict[str, Tool]:
        """The tools that the answer may call."""
        return {tool.name: tool for tool in self.callable_tools}

    @property
    def is_forced(self) -> bool:
        """Whether the answer must be a call."""
        return self.choice in (ToolChoice.REQUIRED, ToolChoice.NAMED)

    def template_tools(self) -> list[dict[str, Any]] | None:
        """Return the variable ``tools`` of a chat template; None where no tool may be called."""
        return [tool.as_request() for tool in self.tools] if self.callable_tools else None


def parse_tools(body: CreateChatCompletionRequest) -> ToolPlan | None:
    """Return the request's plan, None where it names no tools. Raises: ToolError."""
    if body.tools and body.functions:
        raise ToolError("functions", "both 'tools' and 'functions' are given; leave out 'functions'")
    _refuse_mixed_choice(body)
    if body.functions:
        tools = _tools(body.functions, "functions.{}")
        plan = _plan(tools, body.function_call, "function_call", is_parallel=False, is_legacy=True)
        return _enforceable(plan, "functions.{}")
    tools = _tools([tool.function for tool in body.tools or ()], "tools.{}.function")
    if body.function_call not in (None, "none", "auto"):
        raise ToolError("function_call", "'function_call' names a function, but 'functions' is empty; list it there")
    plan = _plan(tools, body.tool_choice, "tool_choice", is_parallel=body.parallel_tool_calls, is_legacy=False)
    return _enforceable(plan, "tools.{}.function")


def _enforceable(plan: ToolPlan | None, place: str) -> ToolPlan | None:
    """Return the plan; only parameters that an answer is held to must be those of an object. Raises: ToolError."""
    for tool in plan.callable_tools if plan is not None else ():
        if plan is not None and (plan.is_forced or tool.is_strict):
            _refuse_parameters(tool.parameters, f"{place.format(plan.tools.index(tool))}.parameters")
    return plan


def _refuse_mixed_choice(body: CreateChatCompletionRequest) -> None:
    if body.functions and body.tool_choice is not None:
        raise ToolError("tool_choice", "'tool_choice' belongs to 'tools'; with 'functions', give 'function_call'")
    if body.tools and body.function_call is not None:
        raise ToolError("function_call", "'function_call' belongs to 'functions'; with 'tools', give 'tool_choice'")


def _tools(functions: Sequence[ChatCompletionToolFunction | ChatCompletionFunction], place: str) -> tuple[Tool, ...]:
    if len(functions) > MAX_TOOLS:
        message = f"there are {len(functions)} functions; at most {MAX_TOOLS} are allowed, send fewer"
        raise ToolError(place.split(".")[0], message)
    tools = tuple(_tool(function, place.format(at)) for at, function in enumerate(functions))
    seen: set[str] = set()
    for at, tool in enumerate(tools):
        if tool.name in seen:
            message = f"{tool.name!r} is the name of more than one function; rename one of them"
            raise ToolError(f"{place.format(at)}.name", message)
        seen.add(tool.name)
    return tools


def _tool(function: ChatCompletionToolFunction | ChatCompletionFunction, param: str) -> Tool:
    if not _NAME.fullmatch(function.name):
        message = f"{_short(function.name)} cannot name a function; use 1 to 64 letters, digits, '_', '-' and '.'"
        raise ToolError(f"{param}.name", message)
    description = function.description if isinstance(function.description, str) else ""
    return Tool(function.name, description, _parameters(function), getattr(function, "strict", None) is True)


def _parameters(function: ChatCompletionToolFunction | ChatCompletionFunction) -> dict[str, Any]:
    """Return the schema of the arguments, without what some languages write for nothing."""
    given = function.parameters if isinstance(function.parameters, dict) else {}  # PHP has one empty array for both
    # Null is how Go writes a list or an object that was never made.
    schema = {key: value for key, value in given.items() if key not in _OPTIONAL or value is not None}
    return schema | {"properties": {}} if schema.get("properties") == [] else schema


def _refuse_parameters(parameters: Mapping[str, Any], param: str) -> None:
    """Refuse what cannot be the schema of an object. Raises: ToolError."""
    kind = parameters.get("type", "object")
    if kind != "object":
        message = f"parameters has the type {_short(kind)}, but arguments are an object; use 'type': 'object'"
        raise ToolError(f"{param}.type", message)
    properties = parameters.get("properties", {})
    if not isinstance(properties, dict):
        message = f"properties is {_short(properties)}; use an object of names and their schemas"
        raise ToolError(f"{param}.properties", message)
    required = parameters.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise ToolError(f"{param}.required", f"required is {_short(required)}; use a list of names")


def _plan(tools: tuple[Tool, ...], choice: Any, param: str, *, is_parallel: bool, is_legacy: bool) -> ToolPlan | None:
    named = _named(choice)
    if not tools:
        if choice in (None, "none", "auto"):
            return None
        wanted = "a call is required" if named is None else f"a call of {_short(named)} is required"
        raise ToolError(param, f"{wanted}, but there are no tools; list them in 'tools'")
    if named is not None:
        chosen = tuple(tool for tool in tools if tool.name == named)
        if not chosen:
            raise ToolError(param, f"{_short(named)} is not a function of this request; {_known(tools)}")
        return ToolPlan(tools, ToolChoice.NAMED, chosen, is_parallel=False, is_legacy=is_legacy)
    kind = ToolChoice(choice or "auto")
    return ToolPlan(tools, kind, () if kind is ToolChoice.NONE else tools, is_parallel, is_legacy)


def _named(choice: Any) -> str | None:
    if isinstance(choice, ChatCompletionNamedToolChoice):
        return choice.function.name
    return choice.name if isinstance(choice, ChatCompletionRequestFunctionCallOption) else None


def _known(tools: Iterable[Tool]) -> str:
    names = [repr(tool.name) for tool in tools]
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"choose {', '.join(names[:8])}{more}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
