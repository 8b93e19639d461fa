"""What a request says of its chat template: variables, and whether the last message is continued (hop 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jan_ort.http.api_error import bad_request, unsupported
from jan_ort.http.reading.other_names import flag, given
from jan_ort.serving.generative import GenerativeModel
from jan_ort_openapi.models import CreateChatCompletionRequest

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_OURS = ("messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token")
_OF_RENDERING = ("max_cpu_s",)


@dataclass(frozen=True, slots=True)
class TemplateOptions:
    """``variables`` are the template's own; ``is_continued`` ends the prompt inside the last message."""

    variables: dict[str, Any] = field(default_factory=dict)
    add_generation_prompt: bool = True
    is_continued: bool = False

    def ended(self, prompt: str, messages: list[dict[str, Any]]) -> str:
        """Return the prompt, up to the end of the last message's text if that is continued. Raises: ApiError 400."""
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
    is_continued = flag(body, "continue_final_message") is True
    add_generation_prompt = flag(body, "add_generation_prompt")
    if is_continued and add_generation_prompt:
        message = "continue_final_message and add_generation_prompt exclude each other; leave one out"
        raise bad_request("continue_final_message", message)
    variables = _effort(model, body) | _variables(given(body, "chat_template_kwargs"))
    return TemplateOptions(variables, not is_continued and add_generation_prompt is not False, is_continued)


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


def _effort(model: GenerativeModel, body: CreateChatCompletionRequest) -> dict[str, Any]:
    """Return the variables that tell the template how much to think, by those that it reads."""
    effort = given(body, "reasoning_effort")
    if effort is None:
        return {}
    if effort not in _EFFORTS:
        raise bad_request("reasoning_effort", f"reasoning_effort must be one of {', '.join(_EFFORTS)}")
    known = model.template_view.variables if model.template is not None else frozenset[str]()
    read = {
        name: value
        for name, value in (("reasoning_effort", effort), ("enable_thinking", effort != "none"))
        if name in known
    }
    if read or (effort == "none" and model.thoughts is None):
        return read
    raise unsupported("reasoning_effort", f"reasoning_effort: the chat template of {model.name!r} has no switch for it")
