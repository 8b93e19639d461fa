"""What OpenAI's API refuses of messages and this server takes, unless ``--strict-openai`` says so (hop 3).

Which model may be named how is the roster's (``serving/roster.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

from jan_ort.http.api_error import bad_request
from jan_ort_openapi.models import (
    ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestToolMessage,
    Messages,
)


def check_messages(messages: Sequence[Messages]) -> None:
    """Refuse messages as OpenAI's API does. Raises: ApiError 400."""
    if not messages:
        raise bad_request("messages", "messages is empty; give one at least", code="empty_array")
    asked: frozenset[str] = frozenset()
    for at, message in enumerate(messages):
        if isinstance(message, ChatCompletionRequestToolMessage):
            if message.tool_call_id not in asked:
                text = f"messages.{at} answers no call of the assistant's message before it; give the id of one"
                raise bad_request(f"messages.{at}.tool_call_id", text)
        elif isinstance(message, ChatCompletionRequestAssistantMessage):
            calls = message.tool_calls if isinstance(message.tool_calls, list) else []
            asked = frozenset(call.id for call in calls if call.id)
        else:
            asked = frozenset()
