"""What a response says of its request (hop 9)."""

from __future__ import annotations

from typing import Any

from jan_ort.http.responses.reading import ResponsePlan
from jan_ort_openapi.models import CreateResponseRequest, ResponseAllowedTools


def asked_fields(plan: ResponsePlan, *, is_stored: bool) -> dict[str, Any]:
    """Return the fields of the response that repeat the request's, with the values that are in force."""
    body, params = plan.body, plan.params[0]
    return {
        "model": plan.model.name,
        "instructions": body.instructions,
        "previous_response_id": body.previous_response_id or None,
        "tools": _tools(body),
        "tool_choice": _choice(body.tool_choice),
        "parallel_tool_calls": body.parallel_tool_calls is not False and body.max_tool_calls is None,
        "max_tool_calls": body.max_tool_calls,
        "text": _text(body),
        "reasoning": {
            "effort": None if body.reasoning is None else body.reasoning.effort,
            "summary": None if body.reasoning is None else body.reasoning.summary,
        },
        "temperature": params.temperature,
        "top_p": params.top_p,
        "presence_penalty": params.presence_penalty,
        "frequency_penalty": params.frequency_penalty,
        "top_logprobs": params.logprobs or 0,
        "max_output_tokens": body.max_output_tokens,
        "truncation": body.truncation or "disabled",
        "metadata": body.metadata or {},
        "store": is_stored,
        "background": False,
        "service_tier": "default",
        "safety_identifier": body.safety_identifier,
        "prompt_cache_key": body.prompt_cache_key,
        "user": body.user,
    }


def _tools(body: CreateResponseRequest) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": tool.strict is True,
        }
        for tool in body.tools or ()
    ]


def _choice(given: str | ResponseAllowedTools | None) -> Any:
    if not isinstance(given, ResponseAllowedTools):
        return given or "auto"
    if given.type == "function":
        return {"type": "function", "name": given.name}
    named = [{"type": "function", "name": each.name} for each in given.tools or ()]
    return {"type": given.type, "mode": given.mode or "auto", "tools": named}


def _text(body: CreateResponseRequest) -> dict[str, Any]:
    given = None if body.text is None else body.text.format
    written: dict[str, Any] = {"type": "text" if given is None else given.type}
    if given is not None and given.type == "json_schema":
        written |= {"name": given.name or "response", "description": given.description, "schema": given.schema_}
        written["strict"] = True
    return {"format": written, "verbosity": "medium"}
