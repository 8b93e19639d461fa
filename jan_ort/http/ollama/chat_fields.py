"""From the bodies of Ollama's API to the chat or the completion that they ask for (hop 3)."""

from __future__ import annotations

from typing import Any

from jan_ort.http.api_error import bad_request, unsupported
from jan_ort.http.ollama.options import NAMES, chat_options
from jan_ort.http.ollama.turns import Turns
from jan_ort.http.reading.as_chat import ChatFields
from jan_ort.http.reading.own_names import OwnNames
from jan_ort.serving.generative import GenerativeModel
from jan_ort_openapi.models import OllamaChatRequest, OllamaGenerateRequest, OllamaMessage

_NAMES = {
    **NAMES,
    "response_format.json_schema.schema": "format",
    "response_format": "format",
    "reasoning_effort": "think",
    "enable_thinking": "think",
}

_PICTURE = r"messages\.(\d+)\.content\.\d+\.image_url"


def fields_of_chat(body: OllamaChatRequest, model: GenerativeModel) -> ChatFields:
    """Return the chat's body. Raises: ApiError 400 that names what is not served."""
    turns = Turns()
    turns.add_all(body.messages)
    fields = _common(body, model) | {"messages": turns.messages}
    if body.tools:
        fields["tools"] = [each.model_dump(exclude_unset=True) for each in body.tools]
    return ChatFields(fields, OwnNames(_NAMES | {_PICTURE: r"messages.\1.images"}))


def fields_of_prompt(body: OllamaGenerateRequest, model: GenerativeModel) -> ChatFields:
    """Return the chat of a prompt, after a system prompt if there is one. Raises: ApiError 400."""
    turns = Turns()
    if body.system:
        turns.add_all([OllamaMessage(role="system", content=body.system)])
    turns.add_all([OllamaMessage(role="user", content=body.prompt, images=body.images)])
    places = ["system", "prompt"] if body.system else ["prompt"]
    names = _NAMES | {"messages": "prompt", _PICTURE: "images"}
    return ChatFields(_common(body, model) | {"messages": turns.messages}, OwnNames(names, places))


def fields_of_text(body: OllamaGenerateRequest, model: GenerativeModel) -> tuple[dict[str, Any], OwnNames]:
    """Return the body of a completion: of a raw prompt, or of a gap before a suffix. Raises: ApiError 400."""
    if body.suffix and model.fill_in_middle is None:
        raise unsupported("suffix", f"suffix: model {model.name!r} cannot fill a gap; leave it out")
    for name in ("system", "images", "think"):
        if getattr(body, name):
            raise bad_request(name, f"{name} is for prompts that go through the chat template; leave it out")
    fields = {"max_tokens": None} | _common(body, model)
    fields |= {"prompt": body.prompt, "suffix": body.suffix}
    return fields, OwnNames(_NAMES)


def _common(body: OllamaChatRequest | OllamaGenerateRequest, model: GenerativeModel) -> dict[str, Any]:
    fields: dict[str, Any] = {"model": model.name, "stream": body.stream}
    fields |= chat_options(body.options, model.context_length)
    if isinstance(body.format, dict):
        named = {"name": "format", "schema": body.format}
        fields["response_format"] = {"type": "json_schema", "json_schema": named}
    elif body.format == "json":
        fields["response_format"] = {"type": "json_object"}
    return fields | _thinking(body.think, model)


def _thinking(think: bool | str | None, model: GenerativeModel) -> dict[str, Any]:
    if think is None:
        return {}
    if think and (model.template is None or model.thoughts is None):
        raise unsupported("think", f"think: model {model.name!r} does not think before it answers; leave it out")
    return {"enable_thinking": think} if isinstance(think, bool) else {"reasoning_effort": think}
