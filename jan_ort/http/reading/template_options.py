"""What a request says of its chat template: variables, and whether the last message is continued (hop 3)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from jan_ort.chat.messages import THOUGHT
from jan_ort.chat.reasoning import Thoughts
from jan_ort.chat.reasoning.marked_thoughts import MarkedThoughts
from jan_ort.http.api_error import bad_request
from jan_ort.http.reading.other_names import flag, given
from jan_ort.http.reading.thinking_switch import is_switched_off, thinking_variables
from jan_ort.serving.generative import GenerativeModel
from jan_ort_openapi.models import CreateChatCompletionRequest

_OURS = ("messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token")
_OF_RENDERING = ("max_cpu_s",)
_HERE = secrets.token_hex(16)
"""What stands where a message is continued until its template has written it; no client knows it."""


@dataclass(frozen=True, slots=True)
class TemplateOptions:
    """``variables`` are the template's own; ``is_continued`` ends the prompt inside the last message.

    ``unthinking`` are thoughts that the answer is not to have, though the template begin one.
    """

    variables: dict[str, Any] = field(default_factory=dict)
    add_generation_prompt: bool = True
    is_continued: bool = False
    unthinking: Thoughts | None = None

    def begun(
        self, messages: list[dict[str, Any]], thoughts: Thoughts | None, *, takes_thoughts: bool
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return the messages with a mark where the last one is continued, and whether that is inside of a thought.

        A message of a thought alone, whose text is not closed or stands under its own name, is continued in it.
        """
        last = messages[-1] if messages else {}
        if not self.is_continued or last.get("role") != "assistant":
            return messages, False
        content, thought = last["content"], last.get(THOUGHT, "")
        is_open = isinstance(thoughts, MarkedThoughts) and thoughts.are_left_open_in(content)
        if takes_thoughts and is_open and isinstance(thoughts, MarkedThoughts):
            content, thought = "", thoughts.opened_apart(content)  # else the template writes another one before it
        if not content.strip() and thought:
            return [*messages[:-1], last | {"content": "", THOUGHT: thought + _HERE}], True
        marked = last | {"content": content + _HERE} if content.strip() else last
        return [*messages[:-1], marked], is_open

    def ended(self, prompt: str) -> str:
        """Return the prompt, up to the mark if the last message is continued. Raises: ApiError 400."""
        if self.unthinking is not None and self.unthinking.are_open_in(prompt):
            return self.unthinking.closed(prompt)
        if not self.is_continued:
            return prompt
        if (at := prompt.rfind(_HERE)) >= 0:
            return prompt[:at]
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
    if not given_ones and given_ones in (None, []):
        return {}
    if not isinstance(given_ones, dict):
        raise bad_request("chat_template_kwargs", "chat_template_kwargs must be an object")
    for name in given_ones:
        if name in _OURS or name in _OF_RENDERING:
            message = f"chat_template_kwargs: {name} is not the client's to set; give it as its own field"
            raise bad_request("chat_template_kwargs", message)
    return given_ones
