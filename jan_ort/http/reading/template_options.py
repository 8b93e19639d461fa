"""What a request says of its chat template: variables, and whether the last message is continued (hop 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jan_ort.chat.reasoning import Thoughts
from jan_ort.http.api_error import bad_request
from jan_ort.http.reading.other_names import flag, given
from jan_ort.http.reading.thinking_switch import is_switched_off, thinking_variables
from jan_ort.serving.generative import GenerativeModel
from jan_ort_openapi.models import CreateChatCompletionRequest

_OURS = ("messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token")
_OF_RENDERING = ("max_cpu_s",)


@dataclass(frozen=True, slots=True)
class TemplateOptions:
    """``variables`` are the template's own; ``is_continued`` ends the prompt inside the last message.

    ``unthinking`` are thoughts that the answer is not to have, though the template begin one.
    """

    variables: dict[str, Any] = field(default_factory=dict)
    add_generation_prompt: bool = True
    is_continued: bool = False
    unthinking: Thoughts | None = None

    def ended(self, prompt: str, messages: list[dict[str, Any]]) -> str:
        """Return the prompt, up to the end of the last message's text if that is continued. Raises: ApiError 400."""
        if self.unthinking is not None and self.unthinking.are_open_in(prompt):
            return self.unthinking.closed(prompt)
        if not self.is_continued:
            return prompt
        last = messages[-1]["content"] if messages and messages[-1]["role"] == "assistant" else ""
        for text in (last, last.strip()):
            if text and (at := prompt.rfind(text)) >= 0:
                return prompt[: at + len(text)]
        message = "continue_final_message needs a last message of the assistant with a text that the template writes"
        raise bad_request("continue_final_message", message)


def template_options(model: GenerativeModel, body: CreateChatCompletionRequest) -> TemplateOptions:
    """Return what the body says. Raises: ApiError 400 that names the field."""
    is_continued = flag(body, "continue_final_message") is True or _is_begun(body)
    add_generation_prompt = flag(body, "add_generation_prompt")
    if is_continued and add_generation_prompt:
        message = "continue_final_message and add_generation_prompt exclude each other; leave one out"
        raise bad_request("continue_final_message", message)
    variables = thinking_variables(model, body) | _variables(given(body, "chat_template_kwargs"))
    is_prompted = not is_continued and add_generation_prompt is not False
    unthinking = model.thoughts if is_prompted and is_switched_off(body, variables) else None
    return TemplateOptions(variables, is_prompted, is_continued, unthinking)


def _is_begun(body: CreateChatCompletionRequest) -> bool:
    """Whether the last message says so itself, as with Mistral and DeepSeek, and with Moonshot and Qwen."""
    last = body.messages[-1] if body.messages else None
    return last is not None and last.role == "assistant" and any(flag(last, name) for name in ("prefix", "partial"))


def _variables(given_ones: object) -> dict[str, Any]:
    if given_ones is None:
        return {}
    if not isinstance(given_ones, dict):
        raise bad_request("chat_template_kwargs", "chat_template_kwargs must be an object")
    for name in given_ones:
        if name in _OURS or name in _OF_RENDERING:
            message = f"chat_template_kwargs: {name} is not the client's to set; give it as its own field"
            raise bad_request("chat_template_kwargs", message)
    return given_ones
