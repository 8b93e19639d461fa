"""A model's own chat template, rendered in jinja2's sandbox (hop 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class ChatTemplateError(Exception):
    """Raised when a template cannot be compiled, or refuses or fails on a conversation."""


def _raise_exception(message: str) -> NoReturn:
    raise ChatTemplateError(f"the model's chat template refuses this conversation: {message}")


def _to_json(value: Any, **options: Any) -> str:
    """Render JSON as Hugging Face templates expect it: no HTML escapes, non-ASCII kept."""
    options.setdefault("ensure_ascii", False)
    return json.dumps(value, **options)


def _strftime_now(pattern: str) -> str:
    return datetime.now().astimezone().strftime(pattern)


class ChatTemplate:
    """Renders messages to the text that the model was trained on."""

    def __init__(self, source: str, *, bos_token: str = "", eos_token: str = "") -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _to_json
        environment.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now)
        self._special_tokens = {"bos_token": bos_token, "eos_token": eos_token}
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise ChatTemplateError(
                f"the model's chat template has an error in line {error.lineno}: {error}"
            ) from error

    def render(self, messages: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool = True) -> str:
        """Return the prompt's text. Raises: ChatTemplateError with the template's own message."""
        try:
            return self._template.render(
                messages=list(messages), add_generation_prompt=add_generation_prompt, **self._special_tokens
            )
        except ChatTemplateError:
            raise
        except Exception as error:  # a template is a program of the model's author: whatever it raises is its answer
            raise ChatTemplateError(f"the model's chat template fails on this conversation: {error}") from error
