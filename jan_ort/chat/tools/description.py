"""Tools in plain words, for chat templates that know none: the tools, earlier calls, and their results (hop 3).

The form is Hermes', because more models have seen it than any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jan_ort.chat.messages import with_instruction
from jan_ort.chat.tools.plan import ToolChoice, ToolPlan

_EXAMPLE = '<tool_call>\n{"name": "<function>", "arguments": {"<parameter>": <value>}}\n</tool_call>'


def describe_tools(messages: Sequence[Mapping[str, Any]], plan: ToolPlan | None) -> list[dict[str, Any]]:
    """Return the messages of ``template_messages`` without tools in their structure.

    What may be called is described at the end of the system message; calls and results become text. A plan that calls
    nothing adds no description.
    """
    plain = plain_messages(messages)
    if plan is None or not plan.callable_tools:
        return plain
    return with_instruction(plain, _description(plan))


def _description(plan: ToolPlan) -> str:
    tools = "\n".join(_json(tool.as_request()) for tool in plan.tools)
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


def plain_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages of the roles system, user and assistant, with calls and results as text.

    Results in a row are one message of the user, for templates whose roles must alternate.
    """
    plain: list[dict[str, Any]] = []
    follows_result = False
    for message in messages:
        if message["role"] != "tool":
            plain.append(_without_calls(message))
        elif follows_result:
            plain[-1]["content"] += f"\n{_result(message)}"
        else:
            plain.append({"role": "user", "content": _result(message)})
        follows_result = message["role"] == "tool"
    return plain


def _without_calls(message: Mapping[str, Any]) -> dict[str, Any]:
    calls = [f"<tool_call>\n{_json(call['function'])}\n</tool_call>" for call in message.get("tool_calls", ())]
    text = "\n".join(([message["content"]] if message["content"] else []) + calls)
    return {key: value for key, value in message.items() if key != "tool_calls"} | {"content": text}


def _result(message: Mapping[str, Any]) -> str:
    return f"<tool_response>\n{message['content']}\n</tool_response>"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
