"""Earlier calls and results, in the shape that the model's own template takes (hop 3)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jan_ort.chat.tools.description import describe_tools, plain_messages
from jan_ort.chat.tools.formats import TemplateTools, ToolFormat
from jan_ort.chat.tools.plan import ToolPlan

_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")


def adapt_messages(
    messages: Sequence[Mapping[str, Any]], plan: ToolPlan | None, template: TemplateTools
) -> list[dict[str, Any]]:
    """Return the messages of ``template_messages`` as this template takes them.

    Only a template of PLAIN format gets a description of the tools here; any other is given ``plan.template_tools()``.
    """
    if template.tool_format is ToolFormat.PLAIN:
        return describe_tools(messages, plan)
    if not template.writes_calls:
        return plain_messages(messages)
    adapted: list[dict[str, Any]] = [dict(message) for message in messages]
    if template.tool_format is ToolFormat.LLAMA3:
        adapted = list(_one_call_each(adapted))
    elif template.tool_format in (ToolFormat.MISTRAL, ToolFormat.MISTRAL_ARGS):
        adapted = [_with_short_ids(message) for message in adapted]
    return [_with_text_arguments(message) for message in adapted] if template.wants_text else adapted


def _one_call_each(messages: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Llama's templates refuse a message of several calls, which its models write all the same."""
    for message in messages:
        calls = message.get("tool_calls", ())
        if len(calls) < 2:
            yield message
        else:
            yield from (message | {"tool_calls": [call]} for call in calls)


def _with_short_ids(message: dict[str, Any]) -> dict[str, Any]:
    """Mistral's templates refuse ids that are not nine letters and digits."""
    changed = dict(message)
    if "tool_call_id" in message:
        changed["tool_call_id"] = _short_id(message["tool_call_id"])
    if "tool_calls" in message:
        changed["tool_calls"] = [call | {"id": _short_id(call["id"])} for call in message["tool_calls"]]
    return changed


def _short_id(call_id: str) -> str:
    if _MISTRAL_ID.fullmatch(call_id):
        return call_id
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:9]


def _with_text_arguments(message: dict[str, Any]) -> dict[str, Any]:
    if "tool_calls" not in message:
        return message
    calls = [call | {"function": _as_text(call["function"])} for call in message["tool_calls"]]
    return message | {"tool_calls": calls}


def _as_text(function: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": function["name"], "arguments": json.dumps(function["arguments"], ensure_ascii=False)}
