"""Fields and members of Ollama's requests, each with a request in which it is wrong."""

from __future__ import annotations

from typing import Any

from jan_ort_conformance.http.check_tools.asker import HELLO, tool

Fields = dict[str, Any]


def _said(**members: Any) -> Fields:
    return {"messages": [HELLO[0] | members]}


def _called(**members: Any) -> Fields:
    call = {"function": {"name": "look", "arguments": {"at": 1}}} | members
    return {"messages": [*HELLO, {"role": "assistant", "tool_calls": [call]}]}


def _function(**members: Any) -> Fields:
    return _called(function={"name": "look", "arguments": {"at": 1}} | members)


def _result(**members: Any) -> Fields:
    return {"messages": [*HELLO, {"role": "tool", "content": "1"} | members]}


def _tool(**members: Any) -> Fields:
    return {"tools": [tool("look") | members]}


OPTIONS = (
    *("temperature", "num_predict", "stop", "seed", "top_k", "top_p", "min_p", "repeat_penalty"),
    *("presence_penalty", "frequency_penalty", "mirostat", "mirostat_tau", "mirostat_eta", "num_ctx"),
)

_COMMON: list[tuple[str, Fields]] = [
    ("model", {"model": 5}),
    ("keep_alive", {"keep_alive": "for ever"}),
    ("options", {"options": 5}),
    *((f"options.{name}", {"options": {name: {"a": 1}}}) for name in OPTIONS),
]

_ANSWERED: list[tuple[str, Fields]] = [
    *_COMMON,
    ("stream", {"stream": "yes"}),
    ("format", {"format": "xml"}),
    ("think", {"think": "a lot"}),
]

WRONG_IN_CHATS: list[tuple[str, Fields]] = [
    *_ANSWERED,
    ("messages", {"messages": "Hello"}),
    ("messages.role", _said(role="nobody")),
    ("messages.content", _said(content=5)),
    ("messages.thinking", _said(thinking=5)),
    ("messages.images", _said(images=5)),
    ("messages.tool_calls", {"messages": [*HELLO, {"role": "assistant", "tool_calls": 5}]}),
    ("messages.tool_calls.id", _called(id=5)),
    ("messages.tool_calls.function", _called(function=5)),
    ("messages.tool_calls.function.name", _function(name=5)),
    ("messages.tool_calls.function.arguments", _function(arguments="{}")),
    ("messages.tool_name", _result(tool_name=5)),
    ("messages.tool_call_id", _result(tool_call_id=5)),
    ("tools", {"tools": 5}),
    ("tools.type", _tool(type="program")),
    ("tools.function", _tool(function=5)),
    ("tools.function.name", _tool(function=tool("look")["function"] | {"name": 5})),
    ("tools.function.description", _tool(function=tool("look")["function"] | {"description": 5})),
    ("tools.function.parameters", _tool(function=tool("look")["function"] | {"parameters": 5})),
    ("tools.function.strict", _tool(function=tool("look")["function"] | {"strict": "yes"})),
]

WRONG_IN_PROMPTS: list[tuple[str, Fields]] = [
    *_ANSWERED,
    ("prompt", {"prompt": 5}),
    ("system", {"system": 5}),
    ("suffix", {"suffix": 5}),
    ("images", {"images": 5}),
    ("raw", {"raw": "yes"}),
]

WRONG_IN_INPUTS: list[tuple[str, Fields]] = [
    *_COMMON,
    ("input", {"input": 5}),
    ("dimensions", {"dimensions": -1}),
    ("truncate", {"truncate": "yes"}),
]
WRONG_IN_TEXTS: list[tuple[str, Fields]] = [*_COMMON, ("prompt", {"prompt": 5})]
WRONG_IN_NAMES: list[tuple[str, Fields]] = [
    ("model", {"model": 5}),
    ("name", {"name": 5}),
    ("verbose", {"verbose": "yes"}),
]
