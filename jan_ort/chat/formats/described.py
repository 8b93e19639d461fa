"""Tools in plain words, for chat templates that know none, or in a form of their own: the tools, calls, and results.

The form is Hermes', because more models have seen it than any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jan_ort.chat.formats.call_history import as_json, plain_messages
from jan_ort.chat.formats.hermes import HermesFormat
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.messages import with_instruction
from jan_ort.chat.tools.tool_plan import ToolChoice, ToolPlan

_EXAMPLE = '<tool_call>\n{"name": "<function>", "arguments": {"<parameter>": <value>}}\n</tool_call>'


class DescribedFormat(HermesFormat):
    """The format of last resort, which every model is told of in its system message."""

    name = "described"

    def detects(self, template: TemplateView) -> bool:
        """Yes: whatever the template does with tools is not known here."""
        return True

    def adapt(
        self, messages: Sequence[Mapping[str, Any]], plan: ToolPlan | None, template: TemplateView
    ) -> list[dict[str, Any]]:
        """Return the messages without tools in their structure.

        What may be called is described at the end of the system message; calls and results become text. A plan that
        calls nothing adds no description.
        """
        plain = plain_messages(messages)
        if plan is None or not plan.callable_tools:
            return plain
        return with_instruction(plain, _description(plan))

    def template_tools(self, plan: ToolPlan | None) -> list[dict[str, Any]] | None:
        """Return None: the tools are in the messages."""
        return None


def _description(plan: ToolPlan) -> str:
    tools = "\n".join(as_json(tool.as_request()) for tool in plan.tools)
    return (
        "These functions can be called. Each line between the tags describes one, its parameters as a JSON schema.\n"
        f"<tools>\n{tools}\n</tools>\n\n"
        f"A call is written as a JSON object between tags:\n{_EXAMPLE}\n{_rule(plan)}\n"
        "The result of a call comes back between <tool_response> and </tool_response>."
    )


def _rule(plan: ToolPlan) -> str:
    if plan.choice is ToolChoice.NAMED:
        return f"Answer with one call of {plan.callable_tools[0].name} and nothing else."
    several = "Several calls in one answer have their own tags each." if plan.is_parallel else "Make one call at most."
    if plan.choice is ToolChoice.REQUIRED:
        return f"Answer with a call and nothing else. {several}"
    return f"Call a function only if its result is needed, otherwise answer in words. {several}"
