"""Messages of a request to what a chat template reads: plain dictionaries with text content (hop 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jan_ort_openapi.models import (
    ChatCompletionRequestMessageContentPartImage,
    ChatCompletionRequestMessageContentPartText,
    Messages,
)


class MessageError(Exception):
    """Raised when a message cannot be given to this model; ``param`` names the field."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


def template_messages(messages: Sequence[Messages]) -> list[dict[str, Any]]:
    """Return role and content of each message, and the name or call id of a tool's result. Raises: MessageError."""
    return [_template_message(message, f"messages.{at}") for at, message in enumerate(messages)]


def _template_message(message: Any, param: str) -> dict[str, Any]:
    # Written in the document as tool_calls and function_call of the assistant's message.
    for name in ("tool_calls", "function_call"):
        if _is_given(message, name):
            raise MessageError(f"{param}.{name}", f"{name!r} in a message is not supported yet")
    # The newer name of the system role is one that no template knows.
    role = "system" if message.role == "developer" else message.role
    result: dict[str, Any] = {"role": role, "content": _text(getattr(message, "content", None), param)}
    result |= {name: getattr(message, name) for name in ("name", "tool_call_id") if _is_given(message, name)}
    return result


def _is_given(message: Any, name: str) -> bool:
    return name in message.model_fields_set and bool(getattr(message, name))


def _text(content: Any, param: str) -> str:
    """Join the text parts of a message; no content is the empty text."""
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    texts = []
    for at, part in enumerate(content):
        if isinstance(part, ChatCompletionRequestMessageContentPartImage):
            raise MessageError(f"{param}.content.{at}.image_url", "this model reads text only; leave the image out")
        assert isinstance(part, ChatCompletionRequestMessageContentPartText), "the schema knows text and image parts"
        texts.append(part.text)
    return "".join(texts)
