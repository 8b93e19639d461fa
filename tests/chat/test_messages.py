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
