"""Functions to offer to a model, as requests spell them."""

from __future__ import annotations

from typing import Any


def function(name: str, value: object = 1, **more: object) -> dict[str, Any]:
    """Return a function whose only argument can have but one value."""
    parameters = {"type": "object", "properties": {"at": {"const": value}}, "required": ["at"]}
    return {"name": name, "parameters": parameters} | more


def tool(name: str, value: object = 1, **more: object) -> dict[str, Any]:
    """Return the same as a tool."""
    return {"type": "function", "function": function(name, value, **more)}


def choice_of(name: str) -> dict[str, Any]:
    """Return the tool_choice that names one."""
    return {"type": "function", "function": {"name": name}}
