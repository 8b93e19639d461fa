"""Request fields to sampling parameters; whatever cannot be honoured is refused by name (hop 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jan_ort.errors import bad_request, context_overflow, short, unsupported
from jan_ort.sampling.params import SamplingParams
from jan_ort_openapi.models import CreateChatCompletionRequest, CreateCompletionRequest

GenerationBody = CreateCompletionRequest | CreateChatCompletionRequest

MAX_CHOICES = 128
"""Choices of one prompt, as in OpenAI's API."""

MAX_SEQUENCES = 2048
"""Choices of all prompts of one request: each costs memory and a place in the queue from the start."""

MAX_STOP = 16
"""Stop strings of one request."""

_NOT_YET: Mapping[str, Callable[[Any], bool]] = {
    "suffix": lambda value: not value,
    "echo": lambda value: not value,
    "logit_bias": lambda value: not value,
    "logit_bias_type": lambda value: value is None,
    "mirostat_mode": lambda value: value == 0,
    "grammar": lambda value: value is None,
    "response_format": lambda value: value is None or value.type == "text",
    "tools": lambda value: not value,
    "tool_choice": lambda value: value in (None, "none", "auto"),
    "functions": lambda value: not value,
    "function_call": lambda value: value in (None, "none", "auto"),
    "parallel_tool_calls": lambda value: value is not False,
}
"""Fields that are not done yet, each with what their neutral values are."""


def refuse_unfinished(body: GenerationBody) -> None:
    """Refuse the first field that asks for something this server does not do yet. Raises: ApiError 400."""
    for name, is_neutral in _NOT_YET.items():
        if not is_neutral(getattr(body, name, None)) and hasattr(body, name):
            raise unsupported(name, f"{name!r} is not supported yet; leave it out")


def num_choices(body: GenerationBody, *, num_prompts: int = 1) -> int:
    """Return how many choices each prompt gets. Raises: ApiError 400."""
    n = 1 if body.n is None else body.n
    if not 1 <= n <= MAX_CHOICES:
        raise bad_request("n", f"n must be between 1 and {MAX_CHOICES}, not {short(n)}")
    if n * num_prompts > MAX_SEQUENCES:
        message = f"{num_prompts} prompts with {n} choices each are more than the {MAX_SEQUENCES} choices allowed"
        raise bad_request("n", f"{message}; lower n or send fewer prompts")
    if isinstance(body, CreateCompletionRequest) and body.best_of not in (None, 1, n):
        raise unsupported("best_of", f"best_of {short(body.best_of)} differs from n {n}: not supported yet")
    return n


def stop_strings(stop: str | list[str] | None) -> tuple[str, ...]:
    """Return the stop strings. Raises: ApiError 400 for an empty one, which would stop before anything is said."""
    strings = () if stop is None else (stop,) if isinstance(stop, str) else tuple(stop)
    if "" in strings:
        raise bad_request("stop", "a stop string must not be empty; leave it out instead")
    if len(strings) > MAX_STOP:
        raise bad_request("stop", f"there are {len(strings)} stop strings; {MAX_STOP} are allowed")
    return strings


def sampling_params(
    body: GenerationBody, *, max_tokens: int | None, num_prompt: int, context_length: int, vocab_size: int
) -> SamplingParams:
    """Return how to sample after a prompt of ``num_prompt`` tokens. Raises: ApiError 400.

    ``max_tokens`` 0 or None is to the end of the context.
    """
    if body.temperature < 0:
        raise bad_request("temperature", f"temperature must be 0 or more, not {body.temperature}")
    if max_tokens is not None and max_tokens < 0:
        raise bad_request("max_tokens", f"max_tokens must be 0 or more, not {short(max_tokens)}")
    room = context_length - num_prompt
    if room < max(1, max_tokens or 1):
        field = "messages" if isinstance(body, CreateChatCompletionRequest) else "prompt"
        raise context_overflow(field, num_prompt, max(1, max_tokens or 1), context_length)
    return SamplingParams(
        max_tokens=max_tokens or room,
        min_tokens=body.min_tokens,
        temperature=body.temperature,
        top_k=min(body.top_k, vocab_size),
        top_p=body.top_p,
        min_p=body.min_p,
        repeat_penalty=body.repeat_penalty,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        seed=body.seed,
        stop=stop_strings(body.stop),
        logprobs=_num_logprobs(body, vocab_size),
    )


def _num_logprobs(body: GenerationBody, vocab_size: int) -> int | None:
    """Return how many alternatives each token is to be given with, None for no log-probabilities at all."""
    if isinstance(body, CreateCompletionRequest):
        return None if body.logprobs is None else min(body.logprobs, vocab_size)
    if body.logprobs:
        return min(body.top_logprobs or 0, vocab_size)
    if body.top_logprobs is not None:
        raise bad_request("top_logprobs", "top_logprobs needs logprobs to be true")
    return None
