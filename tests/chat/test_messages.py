"""Messages of a request to what a template reads."""

from __future__ import annotations

from typing import Any

import pytest

from jan_ort.chat.messages import MessageError, template_messages
from jan_ort_openapi.models import CreateChatCompletionRequest


def converted(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    body = CreateChatCompletionRequest.model_validate({"messages": list(messages)})
    return template_messages(body.messages)


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_a_message_has_role_and_content(role: str) -> None:
    assert converted({"role": role, "content": "Hello"}) == [{"role": role, "content": "Hello"}]


def test_messages_keep_their_order() -> None:
    messages = [{"role": "user", "content": str(at)} for at in range(5)]

    assert converted(*messages) == messages


def test_no_messages_are_none() -> None:
    assert converted() == []


def test_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]

    assert converted({"role": "user", "content": parts}) == [{"role": "user", "content": "Hello"}]


def test_an_image_is_refused_by_its_place() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    message = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]}

    with pytest.raises(MessageError, match="reads text only") as refused:
        converted({"role": "user", "content": "Hello"}, message)
    assert refused.value.param == "messages.1.content.1.image_url"


def test_an_assistants_message_may_have_no_content() -> None:
    assert converted({"role": "assistant", "content": None}) == [{"role": "assistant", "content": ""}]


def test_a_tools_result_keeps_its_call_id() -> None:
    message = {"role": "tool", "content": "42", "tool_call_id": "call_1"}

    assert converted(message) == [message]


def call(call_id: str, name: str, arguments: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_the_arguments_of_calls_are_objects() -> None:
    calls = [call("call_1", "weather", '{"city": "Bern"}'), call("call_2", "now", "{}")]

    messages = converted({"role": "assistant", "content": None, "tool_calls": calls})

    expected = [call("call_1", "weather", {"city": "Bern"}), call("call_2", "now", {})]
    assert messages == [{"role": "assistant", "content": "", "tool_calls": expected}]


def test_a_tools_result_has_the_name_of_what_was_called() -> None:
    calls = {"role": "assistant", "content": "Look.", "tool_calls": [call("a", "weather", "{}"), call("b", "now", "")]}
    results = [{"role": "tool", "content": at, "tool_call_id": at} for at in "ba"]

    messages = converted(calls, *results)

    assert [(message["name"], message["tool_call_id"]) for message in messages[1:]] == [("now", "b"), ("weather", "a")]


def test_the_older_spelling_becomes_the_newer() -> None:
    called = {"role": "assistant", "content": None, "function_call": {"name": "now", "arguments": "{}"}}
    result = {"role": "function", "name": "now", "content": "Noon."}

    messages = converted(called, result, called, result)

    ids = [messages[0]["tool_calls"][0]["id"], messages[2]["tool_calls"][0]["id"]]
    assert messages[0]["tool_calls"] == [call(ids[0], "now", {})]
    assert messages[1] == {"role": "tool", "content": "Noon.", "name": "now", "tool_call_id": ids[0]}
    assert messages[3]["tool_call_id"] == ids[1] != ids[0]


@pytest.mark.parametrize("arguments", ["", " \n"])
def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    messages = converted({"role": "assistant", "tool_calls": [call("a", "now", arguments)]})

    assert messages[0]["tool_calls"] == [call("a", "now", {})]


@pytest.mark.parametrize(
    "arguments", ["{", "[1]", "null", "5", "{'a': 1}", '{"a": NaN}', '{"a": ' + "9" * 600 + "}", "[" * 100_000]
)
def test_arguments_that_are_no_json_object_stay_text(arguments: str) -> None:
    calls = [call("a", "now", "{}"), call("b", "now", arguments)]

    messages = converted({"role": "user", "content": "Hello"}, {"role": "assistant", "tool_calls": calls})

    assert messages[1]["tool_calls"] == [call("a", "now", {}), call("b", "now", arguments)]


def test_arguments_that_hold_too_much_are_refused_before_they_are_read() -> None:
    arguments = '{"a": [' + "[], " * 99_999 + "[]]}"

    with pytest.raises(
        MessageError, match="100003 fields, objects and arrays are given; at most 65536 are allowed"
    ) as refused:
        converted({"role": "assistant", "tool_calls": [call("a", "now", arguments)]})
    assert refused.value.param == "messages.0.tool_calls.0.function.arguments"


def test_arguments_in_the_older_spelling_stay_text_where_they_are_no_object() -> None:
    (message,) = converted({"role": "assistant", "function_call": {"name": "now", "arguments": "{"}})

    assert message["tool_calls"][0]["function"] == {"name": "now", "arguments": "{"}


def test_calls_in_both_spellings_are_refused() -> None:
    message = {"tool_calls": [call("a", "now", "{}")], "function_call": {"name": "now", "arguments": "{}"}}

    with pytest.raises(MessageError, match="leave out function_call") as refused:
        converted({"role": "assistant", **message})
    assert refused.value.param == "messages.0.function_call"


def test_an_empty_list_of_calls_is_left_out() -> None:
    assert converted({"role": "assistant", "content": "Hello", "tool_calls": []}) == [
        {"role": "assistant", "content": "Hello"}
    ]


def test_a_participants_name_is_kept() -> None:
    message = {"role": "user", "content": "Hello", "name": "ada"}

    assert converted(message) == [message]


def test_the_developers_message_is_a_system_message() -> None:
    assert converted({"role": "developer", "content": "Be brief."}) == [{"role": "system", "content": "Be brief."}]
