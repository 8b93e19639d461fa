"""Events to a response's message and to a stream's deltas."""

from __future__ import annotations

from typing import Any

import pytest

from jan_ort.chat.tools import ArgumentsDelta, AssistantMessage, ContentDelta, Event, ToolCallEnd, ToolCallStart, deltas
from jan_ort_openapi.models import ChatCompletionChunkDelta, ChatCompletionResponseMessage
from tests.chat.tools.parsing import call

TWO_CALLS: list[Event] = [
    ToolCallStart(0, "call_a", "weather"),
    ArgumentsDelta(0, '{"city"'),
    ArgumentsDelta(0, ': "Bern"}'),
    ToolCallEnd(0),
    *call(1, "now", "{}"),
]
CUT: list[Event] = [ToolCallStart(0, "call_a", "weather"), ArgumentsDelta(0, '{"ci')]


def collected(events: list[Event], *, is_legacy: bool = False) -> AssistantMessage:
    message = AssistantMessage(is_legacy=is_legacy)
    for event in events:
        message.add([event])
    return message


def entry(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_calls_alone_have_no_content() -> None:
    message = collected(TWO_CALLS).message()

    assert message == {
        "role": "assistant",
        "content": None,
        "tool_calls": [entry("call_a", "weather", '{"city": "Bern"}'), entry("call_1", "now", "{}")],
    }
    ChatCompletionResponseMessage.model_validate(message)


def test_content_beside_calls_is_kept() -> None:
    message = collected([ContentDelta("Let me"), ContentDelta(" look."), *TWO_CALLS]).message()

    assert message["content"] == "Let me look."
    assert len(message["tool_calls"]) == 2


@pytest.mark.parametrize(("events", "text"), [([], ""), ([ContentDelta("Hello")], "Hello")])
def test_an_answer_without_calls_is_a_plain_message(events: list[Event], text: str) -> None:
    assert collected(events).message() == {"role": "assistant", "content": text}


def test_the_older_spelling_has_one_call() -> None:
    message = collected(call(0, "now", "{}"), is_legacy=True).message()

    assert message == {"role": "assistant", "content": None, "function_call": {"name": "now", "arguments": "{}"}}
    ChatCompletionResponseMessage.model_validate(message)


@pytest.mark.parametrize(
    ("events", "is_legacy", "reason", "expected"),
    [
        (TWO_CALLS, False, "stop", "tool_calls"),
        (call(0, "now", "{}"), True, "stop", "function_call"),
        (TWO_CALLS, False, "length", "length"),
        (CUT, False, "length", "length"),
        (CUT, False, "stop", "stop"),
        ([*call(0, "now", "{}"), ToolCallStart(1, "b", "now")], False, "stop", "tool_calls"),
        ([ContentDelta("Hello")], False, "stop", "stop"),
        (TWO_CALLS, False, None, None),
    ],
)
def test_an_answer_ended_by_calls_if_one_is_complete_and_it_was_not_cut(
    events: list[Event], is_legacy: bool, reason: str | None, expected: str | None
) -> None:
    assert collected(events, is_legacy=is_legacy).finish_reason(reason) == expected


def test_a_cut_call_is_kept_as_far_as_it_came() -> None:
    assert collected(CUT).message()["tool_calls"] == [entry("call_a", "weather", '{"ci')]


def test_a_stream_names_each_call_once_and_then_gives_pieces_of_its_arguments() -> None:
    found = deltas([ContentDelta("Look."), *TWO_CALLS])

    assert found == [
        {"content": "Look."},
        {"tool_calls": [{"index": 0, **entry("call_a", "weather", "")}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ': "Bern"}'}}]},
        {"tool_calls": [{"index": 1, **entry("call_1", "now", "")}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]
    assert all(ChatCompletionChunkDelta.model_validate(delta) for delta in found)


def test_a_stream_in_the_older_spelling_has_neither_ids_nor_indices() -> None:
    found = deltas(call(0, "now", "{}"), is_legacy=True)

    assert found == [
        {"function_call": {"name": "now", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
    ]
    assert all(ChatCompletionChunkDelta.model_validate(delta) for delta in found)
