"""Fields of other servers' APIs that change an answer: honoured under their names, or refused by them (hop 3)."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from jan_ort.http.api_error import bad_request, short, unsupported
from jan_ort.http.reading.refused_fields import MEMBERS, REFUSED
from jan_ort.http.reading.refused_of_texts import OTHER_NAMES, PENALTY_WINDOWS, Fields
from jan_ort.http.reading.remedies import remedy
from jan_ort_openapi import SchemaViolation, validated
from jan_ort_openapi.models import CreateChatCompletionRequest, CreateCompletionRequest

GenerationBody = CreateCompletionRequest | CreateChatCompletionRequest
Body = TypeVar("Body", CreateCompletionRequest, CreateChatCompletionRequest)

LIMITS = (
    *("max_tokens", "max_completion_tokens", "max_new_tokens", "n_predict"),
    *("num_predict", "max_output_tokens", "max_gen_len"),
)
"""The names of the most tokens to generate: OpenAI's, its newer one, those of transformers, llama.cpp and others."""

PENALTIES = ("repeat_penalty", "repetition_penalty", "rep_pen")
"""The names of the penalty for tokens that are there already: the document's, and those of transformers and Kobold."""

HONOURED = frozenset(
    {
        *LIMITS,
        *PENALTIES[1:],
        *OTHER_NAMES,
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
        value = others[name]
        if value is not None and value not in refused[name] and not _has_nothing_to_reach(body, name):
            path = f"{prefix}{name}"
            raise unsupported(path, f"{path} is not supported; {remedy(asked, name)}")


def _has_nothing_to_reach(body: BaseModel, name: str) -> bool:
    """Whether a field says how far penalties reach, and none is asked for."""
    if name not in PENALTY_WINDOWS or not isinstance(body, GenerationBody):
        return False
    return repeat_penalty(body) == 1 and not body.presence_penalty and not body.frequency_penalty


def in_own_names(body: Body) -> Body:
    """Return the body with what it says under names of other servers' under ours.

    Raises: ApiError 400 if two names disagree, or for what the field cannot be.
    """
    others, told = body.model_extra or {}, dict[str, Any]()
    for name in sorted(others.keys() & OTHER_NAMES.keys()):
        if (value := others[name]) in (None, "", []):
            continue
        own = OTHER_NAMES[name]
        meant, before = _as_own(type(body), name, value), told.get(own, given(body, own))
        if before is not None and _listed(before) != _listed(meant):
            raise bad_request(name, f"{own} is {before!r:.80} and {name} is {value!r:.80}; give one")
        told[own] = meant
    return body.model_copy(update=told) if told else body


def _as_own(model: type[GenerationBody], name: str, value: Any) -> Any:
    own = OTHER_NAMES[name]
    try:
        return given(validated(model, {own: value}), own)
    except SchemaViolation as error:
        raise bad_request(name, f"{name}, which is {own} here: {error}") from error


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def token_limit(body: GenerationBody) -> int | None:
    """Return the most tokens to generate, under whichever name; None is to the end of the context.

    Raises: ApiError 400 if two names disagree, or for what is no limit.
    """
    limits = {name: _integer(name, value) for name in LIMITS if (value := given(body, name)) is not None}
    if not limits:
        return body.max_tokens
    first, *others = limits
    are_open = {name for name, limit in limits.items() if limit in _open(body)}
    for name in others:
        if limits[name] != limits[first] and not are_open >= {name, first}:
            message = f"{first} is {short(limits[first])} and {name} is {short(limits[name])}; give one"
            raise bad_request(name, message)
    limit = limits[first]
    if limit < -1:
        raise bad_request(first, f"{first} must be at least 1, or -1 for no limit, not {short(limit)}")
    return None if first in are_open else limit


def _open(body: GenerationBody) -> tuple[int, ...]:
    """Return the limits that are none; with the echo of a prompt, 0 is one, for only the prompt is wanted then."""
    return (-1,) if isinstance(body, CreateCompletionRequest) and body.echo else (-1, 0)


def repeat_penalty(body: GenerationBody) -> float:
    """Return the penalty, also by the names that other servers have. Raises: ApiError 400."""
    own, *others = PENALTIES
    said = {own: body.repeat_penalty} if given(body, own) is not None else {}
    for name in others:
        other = given(body, name)
        if other is None:
            continue
        if isinstance(other, bool) or not isinstance(other, int | float) or not 0 < other < 2**64:
            raise bad_request(name, f"{name} must be a number above 0")
        for before, penalty in said.items():
            if penalty != other:
                raise bad_request(name, f"{before} is {penalty} and {name} is {other}; give one")
        said[name] = float(other)
    return next(iter(said.values()), body.repeat_penalty)


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
