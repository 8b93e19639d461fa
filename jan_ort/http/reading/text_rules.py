"""What a request says its text must follow, under every name that servers have for it (hop 3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from jan_ort.http.api_error import bad_request
from jan_ort.http.reading.other_names import GenerationBody, given
from jan_ort.structured.gbnf.grammar_parser import MAX_CHARACTERS
from jan_ort.structured.json_schema.ecma_regex import repetitions, to_rust
from jan_ort_openapi import MalformedBody
from jan_ort_openapi.json_text import decode_json

_NAMES = {
    "guided_json": "json",
    "json_schema": "json",
    "guided_regex": "regex",
    "regex": "regex",
    "guided_choice": "choice",
    "guided_grammar": "grammar",
    "ebnf": "grammar",
    "grammar": "grammar",
}
"""Fields with a rule, by the kind of rule: vLLM's, llama.cpp's, SGLang's, and the document's own ``grammar``."""

_STRUCTURED = ("json", "regex", "choice", "grammar", "json_object")
"""Kinds of rules in vLLM's ``structured_outputs``."""

_MAX_CHOICES = 1024
_MAX_PATTERN = 10_000
_MAX_REPETITIONS = 100_000


class TextRule(NamedTuple):
    """One rule: the field that has it, its kind ("grammar", "json", "regex" or "choice") and what it says."""

    param: str
    kind: str
    value: Any


def text_rule(body: GenerationBody, response_format: TextRule | None) -> TextRule | None:
    """Return the request's only rule, None for none. Raises: ApiError 400 for what is none, or for two that differ."""
    rules = [
        rule
        for name, kind in _NAMES.items()
        if (value := given(body, name)) not in (None, "")
        for rule in [_checked(name, kind, value)]
    ]
    rules += _structured_outputs(given(body, "structured_outputs"))
    if response_format is not None:
        rules.insert(0, response_format)
    for other in rules[1:]:
        if other[1:] != rules[0][1:]:
            message = f"{other.param} and {rules[0].param.split('.')[0]} both say what the text must follow; give one"
            raise bad_request(other.param, message)
    return rules[0] if rules else None


def _structured_outputs(value: Any) -> Iterator[TextRule]:
    if value is None:
        return
    if isinstance(value, bool):  # OpenRouter's question whether a model can
        return
    if not isinstance(value, dict):
        raise bad_request("structured_outputs", "structured_outputs must be an object")
    for name, rule in value.items():
        if rule in (None, "") or rule is False:
            continue
        if name not in _STRUCTURED:
            message = f"structured_outputs.{name} is not supported; use one of {', '.join(_STRUCTURED)}"
            raise bad_request(f"structured_outputs.{name}", message)
        is_object = name == "json_object"
        kind, said = ("json", {"type": "object"}) if is_object else (name, rule)
        yield _checked(f"structured_outputs.{name}", kind, said)


def _checked(param: str, kind: str, value: Any) -> TextRule:
    if kind == "json" and isinstance(value, str):
        _check_size(param, len(value))
        try:
            value = decode_json(value.encode())
        except MalformedBody as error:
            raise bad_request(param, f"{param} is a string, but not a JSON schema: {error}") from error
    if kind == "choice":
        is_good = isinstance(value, list) and 0 < len(value) <= _MAX_CHOICES
        if not is_good or not all(isinstance(each, str) and each for each in value):
            raise bad_request(param, f"{param} must be a list of 1 to {_MAX_CHOICES} texts, none of them empty")
        _check_size(param, sum(map(len, value)))
    if kind in ("regex", "grammar") and not isinstance(value, str):
        raise bad_request(param, f"{param} must be a text")
    if kind == "regex" and (len(value) > _MAX_PATTERN or repetitions(value) > _MAX_REPETITIONS):
        raise bad_request(param, f"{param} is too large; {_MAX_PATTERN} characters are allowed, make it simpler")
    return TextRule(param, kind, value)


def _check_size(param: str, num_characters: int) -> None:
    """Refuse a rule that is too long to be read here, on the event loop. Raises: ApiError 400."""
    if num_characters > MAX_CHARACTERS:
        message = f"{param} has {num_characters} characters, but only {MAX_CHARACTERS} are allowed; make it shorter"
        raise bad_request(param, message)


def grammar_of_choices(choices: list[str]) -> str:
    """Return a grammar of one of these texts, in the matcher's language."""
    return f"start: {' | '.join(map(json.dumps, choices))}\n"


def grammar_of_pattern(pattern: str) -> str:
    """Return a grammar of a text that the whole pattern matches, in the matcher's language."""
    inner = pattern.removeprefix("^")
    ends = inner.endswith("$") and not inner.endswith(r"\$")
    spelled = to_rust(inner[:-1] if ends else inner)
    return f"start: TEXT\nTEXT: /{_without_slashes(spelled)}/\n"


def _without_slashes(pattern: str) -> str:
    r"""Return the pattern with each ``/`` that is not escaped as ``\/``, and line ends as escapes."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        part = pattern[at : at + 2] if pattern[at] == "\\" else pattern[at]
        at += len(part)
        parts.append({"/": r"\/", "\n": r"\n", "\r": r"\r"}.get(part, part))
    return "".join(parts)
