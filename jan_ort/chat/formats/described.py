"""Tools in plain words, for chat templates that know none, or in a form of their own: the tools, calls, and results.

The form is Hermes', because more models have seen it than any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jan_ort.chat.formats.call_history import plain_messages
from jan_ort.chat.formats.description import description
from jan_ort.chat.formats.families.hermes import HermesFormat
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.messages import with_instruction
from jan_ort.chat.tools.tool_plan import ToolPlan

_FORM = """A call is written as a JSON object between tags:
<tool_call>
{"name": "<function>", "arguments": {"<parameter>": <value>}}
</tool_call>"""


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
        return with_instruction(plain, description(plan, _FORM))

    def template_tools(self, plan: ToolPlan | None) -> list[dict[str, Any]] | None:
        """Return None: the tools are in the messages."""
        return None
