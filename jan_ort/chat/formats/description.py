"""Tools in plain words, for chat templates that know none (hop 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jan_ort.chat.formats.call_history import as_json
from jan_ort.chat.tools.tool_plan import ToolChoice, ToolPlan

EXAMPLE: Sequence[Mapping[str, Any]] = ({"name": "<function>", "arguments": {"<parameter>": "<value>"}},)
"""A call, as a format is asked to write it."""


def description(plan: ToolPlan, form: str) -> str:
    """Return what a system message says of a plan's tools, and how they are called: in which ``form``."""
    tools = "\n".join(as_json(tool.as_request()) for tool in plan.tools)
    return (
        "These functions can be called. Each line between the tags describes one, its parameters as a JSON schema.\n"
        f"<tools>\n{tools}\n</tools>\n\n"
        f"{form}\n{_rule(plan)}\n"
        "The result of a call comes back between <tool_response> and </tool_response>."
    )


def _rule(plan: ToolPlan) -> str:
    if plan.choice is ToolChoice.NAMED:
        return f"Answer with one call of {plan.callable_tools[0].name} and nothing else."
    several = "Several calls in one answer have their own tags each." if plan.is_parallel else "Make one call at most."
    if plan.choice is ToolChoice.REQUIRED:
        return f"Answer with a call and nothing else. {several}"
    return f"Call a function only if its result is needed, otherwise answer in words. {several}"
