"""Items of a conversation as messages of a chat, and what is wrong with an item."""

from __future__ import annotations

from typing import Any

import pytest

from jan_ort.http.api_error import ApiError
from jan_ort.http.responses.content import sealed
from jan_ort.http.responses.items import Messages, checked_item

CALL = {"type": "function_call", "call_id": "c1", "name": "now", "arguments": "{}"}
CALLED = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
THOUGHT = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}


def messages_of(*items: dict[str, Any]) -> Messages:
    messages = Messages()
    for at, item in enumerate(items):
        messages.add(checked_item(item, f"input.{at}"), f"input.{at}")
    return messages


def test_what_the_assistant_did_in_a_row_is_one_message() -> None:
    said = {"role": "assistant", "content": [{"type": "output_text", "text": "Let me look."}]}
    result = {"type": "function_call_output", "call_id": "c1", "output": "12:00"}

    found = messages_of({"role": "user", "content": "?"}, THOUGHT, said, CALL, CALL | {"call_id": "c2"}, result, said)

    assert found.messages == [
        {"role": "user", "content": "?"},
        {
            "role": "assistant",
            "content": "Let me look.",
            "reasoning_content": "hm",
            "tool_calls": [CALLED, CALLED | {"id": "c2"}],
        },
        {"role": "tool", "content": "12:00", "tool_call_id": "c1"},
        {"role": "assistant", "content": "Let me look."},
    ]
    assert found.places == ["input.0", "input.1", "input.5", "input.6"]


@pytest.mark.parametrize(
    "item",
    [
        THOUGHT,
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "reasoning", "summary": [], "encrypted_content": sealed("hm")},
    ],
)
def test_a_thought_comes_back_from_each_of_its_places(item: dict[str, Any]) -> None:
    (message,) = messages_of(item).messages

    assert message == {"role": "assistant", "content": None, "reasoning_content": "hm"}


@pytest.mark.parametrize("given", [{}, {"arguments": None, "output": None}, {"arguments": "", "output": ""}])
def test_a_call_without_arguments_and_a_result_without_text_are_empty(given: dict[str, Any]) -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "now"} | given
    result = {"type": "function_call_output", "call_id": "c1"} | given

    asked, told = messages_of(call, result).messages

    assert asked["tool_calls"] == [CALLED]
    assert told == {"role": "tool", "content": "", "tool_call_id": "c1"}


def test_an_id_alone_is_a_reference() -> None:
    assert checked_item({"id": "msg_1"}, "input.0") == {"type": "item_reference", "id": "msg_1"}


@pytest.mark.parametrize("content", ["a", [{"type": "output_text", "text": "a"}]])
def test_what_the_assistant_said_is_kept_with_its_annotations(content: Any) -> None:
    kept = checked_item({"role": "assistant", "content": content}, "input.0")

    assert kept["content"] == [{"type": "output_text", "text": "a", "annotations": []}]


def test_an_image_is_a_part_of_the_users_message() -> None:
    content = [{"type": "input_text", "text": "?"}, {"type": "input_image", "image_url": "data:,", "detail": "low"}]

    (message,) = messages_of({"role": "user", "content": content}).messages

    image = {"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}}
    assert message["content"] == [{"type": "text", "text": "?"}, image]


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "web_search_call"}, "type"),
        ({"type": "message", "content": "a"}, "role"),
        ({"id": "msg_1", "content": "a"}, "role"),
        ({"role": "tool", "content": "a"}, "role"),
        ({"role": "user"}, "content"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "content.0.text"),
        ({"role": "user", "content": [{"type": "input_file", "file_url": "a"}]}, "content.0.type"),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "a"}]}, "content.0.image_url"),
        ({"role": "system", "content": [{"type": "input_image", "image_url": "a"}]}, "content.0.type"),
        ({"role": "assistant", "content": [{"type": "refusal"}]}, "content.0.refusal"),
        ({"type": "function_call_output", "output": "a"}, "call_id"),
        ({"type": "reasoning", "summary": [], "encrypted_content": "gAAAAB"}, "encrypted_content"),
        ({"type": "reasoning", "summary": [], "encrypted_content": "jan-ort-thought:?"}, "encrypted_content"),
        ({"type": "item_reference"}, "id"),
    ],
)
def test_what_is_wrong_with_an_item_is_named(item: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as failed:
        checked_item(item, "input.3")

    assert (failed.value.status, failed.value.param) == (400, f"input.3.{param}")
    assert f"input.3.{param}" in failed.value.message
