"""What OpenAI's API refuses and this server takes, unless ``--strict-openai`` says so (hop 3)."""

from __future__ import annotations

from collections.abc import Sequence

from jan_ort.ground.task import Task
from jan_ort.http.api_error import bad_request
from jan_ort.serving.roster import is_named
from jan_ort.serving.server import Server
from jan_ort.serving.serving_errors import ModelNotFound
from jan_ort_openapi.models import (
    ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestToolMessage,
    CreateChatCompletionRequest,
    CreateCompletionRequest,
    CreateEmbeddingRequest,
    CreateResponseRequest,
    Messages,
)

OpenAIBody = CreateChatCompletionRequest | CreateCompletionRequest | CreateEmbeddingRequest | CreateResponseRequest


def check_as_openai(server: Server, task: Task, body: OpenAIBody) -> None:
    """Refuse a body as OpenAI's API does, if the settings say so. Raises: ModelNotFound, ApiError 400."""
    if not server.settings.strict_openai:
        return
    if not body.model:
        raise bad_request("model", "model is missing; name one of /v1/models", code="missing_required_parameter")
    able = [each for each in server.roster.residents if each.choice.task == task]
    if not any(is_named(each, body.model) for each in able):
        raise ModelNotFound(body.model, [each.name for each in able])
    if isinstance(body, CreateChatCompletionRequest):
        check_messages(body.messages)


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
            asked = frozenset(call.id for call in calls)
        else:
            asked = frozenset()
