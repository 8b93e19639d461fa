"""What is said of tools and of messages."""

from __future__ import annotations

import json
from typing import Any

from tests.http.cases.case_lines import COMPLAINTS, Line
from tests.http.fields.asking import FREE, ask, streamed
from tests.http.fields.offering import tool
from tests.http.handlers.serving import CHAT, HELLO, Client, post

ROLES: dict[str, dict[str, Any]] = {
    "system": {},
    "developer": {},
    "assistant": {},
    "tool": {"tool_call_id": "a"},
}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "ok"}


@COMPLAINTS.of("C1", "C2")
async def a_streamed_call_is_named_once(client: Client, line: Line) -> None:
    chunks = await streamed(
        client,
        CHAT,
        **FREE | {"max_tokens": 200},
        stream=True,
        tools=[tool("f")],
        tool_choice="required",
        parallel_tool_calls=False,
    )

    first, *others = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert (bool(first["id"]), first["type"], first["function"]["name"]) == (True, "function", "f")
    assert not any({"id", "type"} & each.keys() or "name" in each["function"] for each in others)
    arguments = "".join(each["function"].get("arguments", "") for each in (first, *others))
    assert json.loads(arguments) == {"at": 1}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@COMPLAINTS.of("C3")
async def a_call_under_auto_is_no_content(client: Client, line: Line) -> None:
    begins = {"logit_bias": {str(ord("<")): 100}}  # what a model does that wants to call
    held = {"guided_json": {"type": "null"}} | FREE | {"max_tokens": 200}
    chunks = await streamed(client, CHAT, **held, **begins, stream=True, tools=[tool("f", strict=True)])

    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert not "".join(delta.get("content") or "" for delta in deltas)
    assert any(delta.get("tool_calls") for delta in deltas)


@COMPLAINTS.of("C4")
async def text_parts_are_content_in_every_role(client: Client, line: Line) -> None:
    parts = [{"type": "text", "text": "ok"}]

    for role, more in ROLES.items():
        messages = [*HELLO, CALL, {"role": role, "content": parts} | more]
        await ask(client, CHAT, messages=messages, max_tokens=1)


@COMPLAINTS.of("C6")
async def a_call_needs_no_content(client: Client, line: Line) -> None:
    for message in (CALL, CALL | {"content": None}):
        await ask(client, CHAT, messages=[*HELLO, message, RESULT], max_tokens=1)


@COMPLAINTS.of("C9")
async def a_tool_needs_no_parameters(client: Client, line: Line) -> None:
    now = {"type": "function", "function": {"name": "now"}}

    answer = await ask(
        client, CHAT, **FREE | {"max_tokens": 200}, tools=[now], tool_choice="required", parallel_tool_calls=False
    )

    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


@COMPLAINTS.of("C10")
async def an_unknown_kind_of_tool_is_named(client: Client, line: Line) -> None:
    status, answer = await post(
        client, CHAT, {"messages": HELLO, "tools": [{"type": "custom", "custom": {"name": "f"}}]}
    )

    assert status in (400, 422)
    assert "tools.0" in answer["error"]["message"]
