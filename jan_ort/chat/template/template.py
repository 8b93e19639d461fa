"""A model's own chat template, rendered in a sandbox that bounds its time and its memory (hop 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from jan_ort.chat.template.work import (
    BASE_WORK,
    WORK_PER_CHARACTER,
    Work,
    WorkExceeded,
    counting,
    current_work,
    deep_size,
)

if TYPE_CHECKING:
    from jinja2 import Template

MAX_SOURCE_LENGTH = 64_000
"""Characters of a template; the longest that models come with have about 30,000."""

MAX_CPU_S = 0.7
"""Processor time of one rendering, in seconds; ordinary ones take less than a thousandth of it."""

_MAX_MESSAGE_LENGTH = 1000
_MAX_PATTERN_LENGTH = 1000
_STRFTIME_GROWTH = 256
"""Characters that Python gives out at most for each of a pattern's."""

_OURS = frozenset({"messages", "tools", "documents", "add_generation_prompt"})


class ChatTemplateError(Exception):
    """Raised when a template cannot be compiled, or refuses, fails or exceeds its limits on a conversation."""


class TemplateRefusal(ChatTemplateError):
    """Raised when a template refuses a conversation, in its own words."""


def _now() -> datetime:
    return datetime.now().astimezone()


class ChatTemplate:
    """Renders messages to the text that the model was trained on. Safe to use from several threads."""

    def __init__(
        self,
        source: str,
        *,
        tool_use: str | None = None,
        bos_token: str = "",
        eos_token: str = "",
        now: Callable[[], datetime] = _now,
    ) -> None:
        """Compile ``source``, and ``tool_use``, which some models have for conversations with tools.

        Raises: ChatTemplateError.
        """
        self._special_tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self._template = _compile(source, now)
        self._tool_use = self._template if tool_use is None else _compile(tool_use, now)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        /,
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        documents: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        max_cpu_s: float = MAX_CPU_S,
        **chat_template_kwargs: Any,
    ) -> str:
        """Return the prompt's text.

        ``tools`` are JSON schemas as requests carry them; ``chat_template_kwargs`` are variables that this model's
        template knows (``enable_thinking``). It can take up to ``max_cpu_s`` seconds of the calling thread.
        Raises: ChatTemplateError with the template's own message.
        """
        variables = {
            **self._special_tokens,
            **chat_template_kwargs,
            "messages": list(messages),
            "tools": None if tools is None else list(tools),
            "documents": None if documents is None else list(documents),
            "add_generation_prompt": add_generation_prompt,
        }
        if taken := sorted(_OURS & chat_template_kwargs.keys()):
            raise ChatTemplateError(
                f"{taken[0]!r} is not a chat template variable that can be set; give it as its own field"
            )
        try:
            work = Work(BASE_WORK + WORK_PER_CHARACTER * deep_size(variables, 2**62), max_cpu_s)
            with counting(work):
                return (self._template if tools is None else self._tool_use).render(variables)
        except ChatTemplateError:
            raise
        except WorkExceeded as error:
            raise ChatTemplateError(f"the model's chat template exceeds its limits: {error}; simplify it") from error
        except Exception as error:  # a template is a program of the model's author: whatever it raises is its answer
            raise ChatTemplateError(f"the model's chat template fails on this conversation: {_words(error)}") from error


def _compile(source: str, now: Callable[[], datetime]) -> Template:
    # Not at the top: whoever only names the error does not wait for jinja2.
    from jinja2 import TemplateSyntaxError

    from jan_ort.chat.template.sandbox import CountingSandbox

    if len(source) > MAX_SOURCE_LENGTH:
        raise ChatTemplateError(
            f"the model's chat template has {len(source)} characters; at most {MAX_SOURCE_LENGTH} are allowed: shorten "
            "it"
        )
    environment = CountingSandbox()
    environment.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now(now))
    try:
        with counting(Work(BASE_WORK, MAX_CPU_S)):  # jinja2 computes constants while it compiles
            return environment.metered(source)
    except TemplateSyntaxError as error:
        raise ChatTemplateError(f"the model's chat template has an error in line {error.lineno}: {error}") from error
    except Exception as error:  # nested too deeply for jinja2's parser or for Python's compiler
        raise ChatTemplateError(f"the model's chat template cannot be compiled: {_words(error)}") from error


def _raise_exception(message: Any) -> NoReturn:
    raise TemplateRefusal(f"the model's chat template refuses this conversation: {_words(message)}")


def _strftime_now(now: Callable[[], datetime]) -> Callable[[str], str]:
    def strftime_now(pattern: str) -> str:
        if len(pattern) > _MAX_PATTERN_LENGTH:
            raise WorkExceeded(f"it formats the time with {len(pattern)} characters")
        current_work().spend(_STRFTIME_GROWTH * len(pattern))
        return now().strftime(pattern)

    return strftime_now


def _words(error: Any) -> str:
    """Return an error in words, cut to what fits an answer."""
    text = str(error)
    return text if len(text) <= _MAX_MESSAGE_LENGTH else f"{text[:_MAX_MESSAGE_LENGTH]}…"
