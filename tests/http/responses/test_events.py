"""What is read of an answer, as items and their events: values in, events out."""

from __future__ import annotations

from typing import Any

from jan_ort.chat.tools import ArgumentsDelta, ContentDelta, ReasoningDelta, ToolCallEnd, ToolCallStart
from jan_ort.http.responses.content import sealed
from jan_ort.http.responses.events import OutputItems


def writer(**given: bool) -> OutputItems:
    return OutputItems("resp_a", 1, **({"is_summarized": False, "is_sealed": False} | given))


def kinds(chunks: list[dict[str, Any]]) -> list[str]:
    return [chunk["type"].removeprefix("response.") for chunk in chunks]


def test_a_message_opens_grows_and_closes() -> None:
    items = writer()

    chunks = items.add([ContentDelta("He")], ["l1"]) + items.add([ContentDelta("llo")], ["l2"])
    chunks += items.finish(is_cut=False)

    part = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": ["l1", "l2"]}
    message = {"type": "message", "id": "msg_a_1", "status": "completed", "role": "assistant", "content": [part]}
    at = {"item_id": "msg_a_1", "output_index": 0, "content_index": 0}
    assert chunks == [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": message | {"status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **at, "part": part | {"text": "", "logprobs": []}},
        {"type": "response.output_text.delta", **at, "delta": "He", "logprobs": ["l1"]},
        {"type": "response.output_text.delta", **at, "delta": "llo", "logprobs": ["l2"]},
        {"type": "response.output_text.done", **at, "text": "Hello", "logprobs": ["l1", "l2"]},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": message},
    ]
    assert items.items == [message]


def test_parallel_calls_are_items_of_their_own() -> None:
    items = writer()

    chunks = items.add(
        [
            ToolCallStart(0, "call_x", "now"),
            ArgumentsDelta(0, "{"),
            ArgumentsDelta(0, "}"),
            ToolCallEnd(0),
            ToolCallStart(1, "call_y", "then"),
            ArgumentsDelta(1, '{"a'),
        ]
    )
    chunks += items.finish(is_cut=True)

    whole = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"]
    ends = ["function_call_arguments.done", "output_item.done"]
    assert kinds(chunks) == [*whole, *ends, *whole[:2], *ends]
    assert [chunk["output_index"] for chunk in chunks] == [0] * 5 + [1] * 4
    assert chunks[3]["name"] == "now"
    call = {"type": "function_call", "id": "fc_a_1", "call_id": "call_x", "name": "now"}
    assert items.items == [
        call | {"arguments": "{}", "status": "completed"},
        call | {"id": "fc_a_2", "call_id": "call_y", "name": "then", "arguments": '{"a', "status": "incomplete"},
    ]


def test_a_thought_comes_before_what_is_said_as_content_or_as_summary() -> None:
    events = [ReasoningDelta("so"), ReasoningDelta("…"), ContentDelta("Yes")]

    shown, summarized = writer(), writer(is_summarized=True)
    chunks, summary = shown.add(events), summarized.add(events)

    opened, said = ["output_item.added"], ["output_item.done", "output_item.added", "content_part.added"]
    part, grown, ended = "content_part.added", "reasoning_text.delta", ["reasoning_text.done", "content_part.done"]
    assert kinds(chunks) == [*opened, part, grown, grown, *ended, *said, "output_text.delta"]
    part, grown = "reasoning_summary_part.added", "reasoning_summary_text.delta"
    ended = ["reasoning_summary_text.done", "reasoning_summary_part.done"]
    assert kinds(summary) == [*opened, part, grown, grown, *ended, *said, "output_text.delta"]
    assert shown.items[0]["content"] == [{"type": "reasoning_text", "text": "so…"}]
    assert shown.items[0]["summary"] == []
    assert summarized.items[0]["summary"] == [{"type": "summary_text", "text": "so…"}]
    assert "content" not in summarized.items[0]


def test_a_thought_comes_in_one_piece_where_it_is_to_come_back() -> None:
    items = writer(is_sealed=True)

    items.add([ReasoningDelta("hm"), ContentDelta("Yes")])

    assert items.items[0]["encrypted_content"] == sealed("hm")


def test_nothing_is_an_empty_message() -> None:
    items = writer()

    chunks = items.finish(is_cut=False)

    assert kinds(chunks)[-1] == "output_item.done"
    assert [(item["status"], item["content"][0]["text"]) for item in items.items] == [("completed", "")]
