"""Fields of a response's request as the chat's that mean the same; what is not supported is refused by name (hop 3)."""

from __future__ import annotations

import json
from typing import Any

from jan_ort.http.api_error import bad_request, short, unsupported
from jan_ort_openapi.models import (
    CreateResponseRequest,
    ResponseAllowedTools,
    ResponseReasoning,
    ResponseTextFormat,
    ResponseTool,
)

LOGPROBS, SEALED = "message.output_text.logprobs", "reasoning.encrypted_content"

NAMES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    r"tools\.(\d+)\.function": r"tools.\1",
    r"tool_choice\.function\.name": "tool_choice.name",
    r"response_format\.json_schema": "text.format",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}
"""What fields of a chat are called here."""

MEMBERS = {"tool_call_id": "call_id"}
"""What members of a chat's messages are called in items."""

_ONLY: dict[str, tuple[Any, ...]] = {
    "background": (None, False),
    "max_tool_calls": (None, 1),
    "service_tier": (None, "auto", "default"),
    "truncation": (None, "auto", "disabled"),
}
"""Fields of which only these values are supported."""

_MAX_METADATA, _MAX_KEY, _MAX_VALUE = 16, 64, 512
_SAME = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "user", "stream")


def check_fields(body: CreateResponseRequest) -> None:
    """Refuse values that are not supported. Raises: ApiError 400."""
    for name, supported in _ONLY.items():
        if (value := getattr(body, name)) not in supported:
            known = " or ".join(json.dumps(each) for each in supported if each is not None)
            raise unsupported(name, f"{name} is {json.dumps(value)[:40]}; only {known} is supported")
    for at, each in enumerate(body.include or ()):
        if each not in (LOGPROBS, SEALED):
            raise unsupported(f"include.{at}", f"include.{at} is {each[:60]!r}; only {LOGPROBS} and {SEALED} are known")
    if body.stream_options is not None and body.stream_options.include_obfuscation:
        name = "stream_options.include_obfuscation"
        raise unsupported(name, f"{name} is not supported; set it to false or leave it out")
    if body.max_output_tokens is not None and body.max_output_tokens < 1 and body.max_output_tokens != -1:
        message = f"max_output_tokens must be at least 1, or -1 for no limit, not {short(body.max_output_tokens)}"
        raise bad_request("max_output_tokens", message)
    _check_metadata(body.metadata if isinstance(body.metadata, dict) else {})
    summarizes(body.reasoning)


def _check_metadata(metadata: dict[str, str]) -> None:
    if len(metadata) > _MAX_METADATA:
        raise bad_request("metadata", f"metadata has {len(metadata)} entries; at most {_MAX_METADATA} are allowed")
    for key, value in metadata.items():
        place = f"metadata.{key[:_MAX_KEY]}"
        if len(key) > _MAX_KEY:
            raise bad_request(place, f"{place}…: the key has {len(key)} characters; at most {_MAX_KEY} are allowed")
        if len(value) > _MAX_VALUE:
            raise bad_request(place, f"{place} has {len(value)} characters; at most {_MAX_VALUE} are allowed")


def summarizes(reasoning: ResponseReasoning | None) -> bool:
    """Whether thoughts are given as summaries: in full, for nothing here makes them shorter. Raises: ApiError 400."""
    wanted = None if reasoning is None else reasoning.summary
    if wanted not in (None, "auto", "detailed"):
        message = f"reasoning.summary is {wanted[:40]!r}; only auto and detailed are supported"
        raise unsupported("reasoning.summary", message)
    return wanted is not None


def chat_fields(body: CreateResponseRequest) -> dict[str, Any]:
    """Return the chat's fields beside its messages, with what only other servers' APIs have. Raises: ApiError 400."""
    chat: dict[str, Any] = dict(body.model_extra or {})
    chat |= {name: value for name in _SAME if (value := getattr(body, name)) is not None}
    if body.max_output_tokens is not None:
        chat["max_tokens"] = body.max_output_tokens
    if body.top_logprobs or LOGPROBS in (body.include or ()):
        chat |= {"logprobs": True, "top_logprobs": body.top_logprobs or 0}
    if body.reasoning is not None:
        chat["reasoning"] = body.reasoning.model_dump(exclude={"summary"}, exclude_none=True)
    if body.text is not None:
        chat |= {} if body.text.verbosity is None else {"verbosity": body.text.verbosity}
        chat |= {} if body.text.format is None else {"response_format": _response_format(body.text.format)}
    return chat | _tools(body)


def _response_format(given: ResponseTextFormat) -> dict[str, Any]:
    schema = {} if given.schema_ is None else {"schema": given.schema_}
    if given.type != "json_schema":
        return {"type": given.type} | schema
    described = {} if given.description is None else {"description": given.description}
    return {"type": given.type, "json_schema": {"name": given.name or "response", **schema, **described}}


def _tools(body: CreateResponseRequest) -> dict[str, Any]:
    tools = []
    for at, tool in enumerate(body.tools or ()):
        if tool.type != "function":
            place = f"tools.{at}.type"
            raise unsupported(place, f"{place} is {tool.type[:40]!r}; only tools of the type 'function' are supported")
        if tool.name is None:
            raise bad_request(f"tools.{at}.name", f"tools.{at}.name is missing; a function needs one")
        tools.append(tool.model_dump(exclude={"type"}, exclude_none=True))
    choice, allowed = _choice(body.tool_choice)
    if allowed is not None:
        for at, name in enumerate(allowed):
            if not any(tool["name"] == name for tool in tools):
                raise bad_request(f"tool_choice.tools.{at}", f"{name[:80]!r} is not a function of this request")
        tools = [tool for tool in tools if tool["name"] in allowed]
    fields: dict[str, Any] = {"tools": [{"type": "function", "function": tool} for tool in tools]} if tools else {}
    fields |= {} if choice is None else {"tool_choice": choice}
    is_parallel = body.parallel_tool_calls is not False and body.max_tool_calls is None
    return fields if is_parallel else fields | {"parallel_tool_calls": False}


def _allowed(tool: ResponseTool, at: int) -> str:
    """Return the name of a tool that may be called. Raises: ApiError 400 if it is no function."""
    place = f"tool_choice.tools.{at}"
    if tool.type != "function":
        raise unsupported(f"{place}.type", f"{place}.type is {tool.type[:40]!r}; only 'function' is supported")
    if tool.name is None:
        raise bad_request(f"{place}.name", f"{place}.name is missing; name a function of tools")
    return tool.name


def _choice(given: str | ResponseAllowedTools | None) -> tuple[Any, list[str] | None]:
    """Return a chat's choice, and the names that it allows, None for all. Raises: ApiError 400."""
    mode = given.mode or "auto" if isinstance(given, ResponseAllowedTools) else given
    if mode not in (None, "none", "auto", "required"):
        name = "tool_choice" if isinstance(given, str) else "tool_choice.mode"
        raise bad_request(name, f"{name} is {mode[:40]!r}; use none, auto or required")
    if not isinstance(given, ResponseAllowedTools):
        return mode, None
    if given.type == "allowed_tools" and given.tools:
        return mode, [_allowed(tool, at) for at, tool in enumerate(given.tools)]
    if given.type != "function":
        raise unsupported("tool_choice", "tool_choice must name a function, or allowed_tools with its tools")
    if given.name is None:
        raise bad_request("tool_choice.name", "tool_choice.name is missing; name the function to call")
    return {"type": "function", "function": {"name": given.name}}, None
