"""Earlier calls and results, for templates that do not take them as requests carry them (hop 3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def plain_messages(
    messages: Sequence[Mapping[str, Any]],
    call_text: Callable[[Sequence[Mapping[str, Any]]], str] | None = None,
    *,
    result_role: str = "user",
) -> list[dict[str, Any]]:
    """Return messages whose calls and results are text: calls as ``call_text`` writes them, else in Hermes' form.

    Results in a row are one message of the user, for templates whose roles must alternate; of any other role they are
    as they came.
    """
    plain: list[dict[str, Any]] = []
    follows_result = False
    for message in messages:
        if message["role"] != "tool":
            plain.append(_without_calls(message, call_text or hermes_text))
        elif result_role != "user":
            plain.append({**message, "role": result_role})
        elif follows_result:
            plain[-1]["content"] += f"\n{_result(message)}"
        else:
            plain.append({"role": "user", "content": _result(message)})
        follows_result = message["role"] == "tool"
    return plain


def hermes_text(functions: Sequence[Mapping[str, Any]]) -> str:
    """Return calls in Hermes' form, which more models have seen than any other."""
    return "\n".join(f"<tool_call>\n{as_json(function)}\n</tool_call>" for function in functions)


def _without_calls(
    message: Mapping[str, Any], call_text: Callable[[Sequence[Mapping[str, Any]]], str]
) -> dict[str, Any]:
    calls = [call["function"] for call in message.get("tool_calls", ())]
    text = "\n".join(([message["content"]] if message["content"] else []) + ([call_text(calls)] if calls else []))
    return {key: value for key, value in message.items() if key != "tool_calls"} | {"content": text}


def _result(message: Mapping[str, Any]) -> str:
    return f"<tool_response>\n{message['content']}\n</tool_response>"


def with_text_arguments(message: dict[str, Any]) -> dict[str, Any]:
    """Return the message with the arguments of its calls as JSON text in place of objects."""
    if "tool_calls" not in message:
        return message
    calls = [call | {"function": _as_text(call["function"])} for call in message["tool_calls"]]
    return message | {"tool_calls": calls}


def _as_text(function: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": function["name"], "arguments": as_text(function["arguments"])}


def has_text_arguments(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the arguments of any call are no object."""
    return any(isinstance(call["function"]["arguments"], str) for each in messages for call in _calls(each))


def with_object_arguments(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages with arguments that are no object in one, for templates that go through their names."""
    return [
        {**each, "tool_calls": [_as_object(call) for call in _calls(each)]} if _calls(each) else {**each}
        for each in messages
    ]


def _calls(message: Mapping[str, Any]) -> Sequence[Any]:
    calls: Sequence[Any] = message.get("tool_calls", ())
    return calls


def _as_object(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    if not isinstance(function["arguments"], str):
        return {**call}
    return {**call, "function": {**function, "arguments": {"text": function["arguments"]}}}


def as_text(arguments: Any) -> str:
    """Return a call's arguments as JSON text; those that are no object are text already."""
    return arguments if isinstance(arguments, str) else as_json(arguments)


def as_json(value: Any) -> str:
    """Return JSON text as prompts have it: characters as they are, not escaped."""
    return json.dumps(value, ensure_ascii=False)
