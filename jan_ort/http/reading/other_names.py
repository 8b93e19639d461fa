"""Fields of other servers' APIs that change an answer: honoured under their names, or refused by them (hop 3)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from jan_ort.http.api_error import bad_request, short, unsupported
from jan_ort.http.reading.refused_fields import MEMBERS, OTHER_NAMES, REFUSED, Fields
from jan_ort.http.reading.remedies import remedy
from jan_ort_openapi.models import CreateChatCompletionRequest, CreateCompletionRequest

GenerationBody = CreateCompletionRequest | CreateChatCompletionRequest

LIMITS = ("max_tokens", "max_completion_tokens", "max_new_tokens", "n_predict")
"""The names of the most tokens to generate: OpenAI's, its newer one, and those of transformers and llama.cpp."""

HONOURED = frozenset(
    {
        *LIMITS,
        "repetition_penalty",
        "stop_token_ids",
        "ignore_eos",
        "guided_json",
        "guided_regex",
        "guided_choice",
        "guided_grammar",
        "structured_outputs",
        "json_schema",
        "regex",
        "ebnf",
        "chat_template_kwargs",
        "reasoning_effort",
        "reasoning",
        "enable_thinking",
        "thinking",
        "messages[].reasoning_content",
        "messages[].reasoning",
        "messages[].prefix",
        "messages[].partial",
        "add_generation_prompt",
        "continue_final_message",
    }
)
"""Fields that are not in the document and have an effect."""


def given(body: BaseModel, name: str) -> Any:
    """Return what the body says of a field, None for nothing: whether or not the document knows the field."""
    if name in type(body).model_fields:
        return getattr(body, name) if name in body.model_fields_set else None
    return (body.model_extra or {}).get(name)


def refuse_what_is_not_honoured(body: BaseModel) -> None:
    """Refuse fields that would change the answer and are not served. Raises: ApiError 400 that names the first one."""
    asked = type(body)
    _refuse(body, REFUSED[asked], "", asked)
    for name, refused in MEMBERS.items():
        held = given(body, name)
        if isinstance(held, BaseModel):
            _refuse(held, refused, f"{name}.", asked)
        elif isinstance(held, list):
            for at, each in enumerate(held):
                if isinstance(each, BaseModel) and each.model_extra:
                    _refuse(each, refused, f"{name}.{at}.", asked)


def _refuse(body: BaseModel, refused: Fields, prefix: str, asked: type[BaseModel]) -> None:
    others = body.model_extra or {}
    for name in sorted(others.keys() & refused.keys()):  # which looks at the fewer: a body may have 60,000 fields
        value, own = others[name], OTHER_NAMES.get(name)
        if value is not None and value not in refused[name] and (own is None or value != given(body, own)):
            path = f"{prefix}{name}"
            raise unsupported(path, f"{path} is not supported; {remedy(asked, name)}")


def token_limit(body: GenerationBody) -> int | None:
    """Return the most tokens to generate, under whichever name; None is to the end of the context.

    Raises: ApiError 400 if two names disagree, or for what is no limit.
    """
    limits = {name: _integer(name, value) for name in LIMITS if (value := given(body, name)) is not None}
    if not limits:
        return body.max_tokens
    first, *others = limits
    for name in others:
        if limits[name] != limits[first]:
            message = f"{first} is {short(limits[first])} and {name} is {short(limits[name])}; give one"
            raise bad_request(name, message)
    limit = limits[first]
    if limit < -1:
        raise bad_request(first, f"{first} must be at least 1, or -1 for no limit, not {short(limit)}")
    if limit == 0 and isinstance(body, CreateCompletionRequest) and body.echo:
        return 0  # only the prompt is wanted
    return limit if limit > 0 else None


def repeat_penalty(body: GenerationBody) -> float:
    """Return the penalty, also by the name that transformers and vLLM have. Raises: ApiError 400."""
    other = given(body, "repetition_penalty")
    if other is None:
        return body.repeat_penalty
    if isinstance(other, bool) or not isinstance(other, int | float) or not 0 < other < 2**64:
        raise bad_request("repetition_penalty", "repetition_penalty must be a number above 0")
    own = given(body, "repeat_penalty")
    if own is not None and own != other:
        message = f"repeat_penalty is {own} and repetition_penalty is {other}; give one"
        raise bad_request("repetition_penalty", message)
    return float(other)


def stop_token_ids(body: GenerationBody, vocab_size: int, most: int) -> frozenset[int]:
    """Return the tokens that end an answer beside the model's own. Raises: ApiError 400."""
    token_ids = given(body, "stop_token_ids")
    if token_ids is None:
        return frozenset()
    if not isinstance(token_ids, list) or len(token_ids) > most:
        raise bad_request("stop_token_ids", f"stop_token_ids must be a list of at most {most} token ids")
    for token_id in token_ids:
        if not 0 <= _integer("stop_token_ids", token_id) < vocab_size:
            message = f"the model's token ids go from 0 to {vocab_size - 1}; {short(token_id)} is none"
            raise bad_request("stop_token_ids", f"stop_token_ids: {message}")
    return frozenset(token_ids)


def ignores_eos(body: GenerationBody) -> bool:
    """Return whether the model's own end of text is never chosen. Raises: ApiError 400."""
    return flag(body, "ignore_eos") is True


def flag(body: BaseModel, name: str) -> bool | None:
    """Return a field that is true or false, None if it is not given. Raises: ApiError 400."""
    value = given(body, name)
    if value is not None and not isinstance(value, bool):
        raise bad_request(name, f"{name} must be true or false")
    return value


def _integer(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad_request(name, f"{name} must be an integer")
    return value
