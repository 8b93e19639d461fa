"""What a request says of how much the model is to think, under every name that servers have for it (hop 3)."""

from __future__ import annotations

from typing import Any

from jan_ort.http.api_error import bad_request
from jan_ort.http.reading.other_names import flag, given
from jan_ort.serving.generative import GenerativeModel
from jan_ort_openapi.models import CreateChatCompletionRequest

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_AS_IT_IS = ("", "auto", "default")
"""Efforts that leave it to the model: those of Groq's API and others."""
_SWITCHES = ("enable_thinking", "thinking")
"""Variables of chat templates that turn thinking on and off: those of Qwen, and of DeepSeek and Granite."""

_NOTHING_ASKED = {"summary": "auto", "exclude": False}
"""Other members at the values at which a thought is given as it always is."""


def thinking_variables(model: GenerativeModel, body: CreateChatCompletionRequest) -> dict[str, Any]:
    """Return the variables that tell the template, of those that it reads; without any, nothing is constrained.

    Raises: ApiError 400.
    """
    effort = _effort(body)
    is_on = _switch(body)
    if is_on is None and effort is not None:
        is_on = effort != "none"
    known = model.template_view.variables if model.template is not None else frozenset[str]()
    said: dict[str, Any] = {} if is_on is None else dict.fromkeys(_SWITCHES, is_on)
    if is_on is False:
        said["thinking_budget"] = 0  # Seed-OSS
    if effort is not None:
        efforts = {} if model.thoughts is None else model.thoughts.efforts
        said["reasoning_effort"] = efforts.get(effort, effort)
    return {name: value for name, value in said.items() if name in known}


def is_switched_off(body: CreateChatCompletionRequest, variables: dict[str, Any]) -> bool:
    """Whether the model is not to think: a thought that its template begins even so is to be ended."""
    if any(variables.get(name) is False for name in _SWITCHES):
        return True
    return not any(name in variables for name in _SWITCHES) and (_switch(body) is False or _effort(body) == "none")


def _effort(body: CreateChatCompletionRequest) -> str | None:
    reasoning = _object(body, "reasoning", ("effort", "enabled"))
    effort, other = (
        None if each in _AS_IT_IS else each for each in (given(body, "reasoning_effort"), reasoning.get("effort"))
    )
    for name, value in (("reasoning_effort", effort), ("reasoning", other)):
        if value is not None and value not in _EFFORTS:
            raise bad_request(name, f"{name}: the effort must be one of {', '.join(_EFFORTS)}")
    if effort is not None and other is not None and effort != other:
        raise bad_request("reasoning", "reasoning.effort and reasoning_effort differ; give one")
    found: str | None = other if effort is None else effort
    return "xhigh" if found == "max" else found


def _switch(body: CreateChatCompletionRequest) -> bool | None:
    """Return whether thinking is turned on or off, None for neither."""
    thinking = _object(body, "thinking", ("type",)).get("type")
    if thinking in ("auto", "adaptive"):
        thinking = None
    if thinking not in (None, "enabled", "disabled"):
        raise bad_request("thinking", "thinking.type must be enabled, disabled or auto")
    enabled = _object(body, "reasoning", ("effort", "enabled")).get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise bad_request("reasoning", "reasoning.enabled must be true or false")
    said = [
        each
        for each in (flag(body, "enable_thinking"), None if thinking is None else thinking == "enabled", enabled)
        if each is not None
    ]
    if len(set(said)) > 1:
        raise bad_request("enable_thinking", "enable_thinking, thinking and reasoning.enabled differ; give one")
    return said[0] if said else None


def _object(body: CreateChatCompletionRequest, name: str, known: tuple[str, ...]) -> dict[str, Any]:
    value = given(body, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(name, f"{name} must be an object")
    for key, each in value.items():
        if key not in known and each is not None and each != _NOTHING_ASKED.get(key):
            raise bad_request(name, f"{name}.{key} is not supported; use {' or '.join(known)}")
    return value
