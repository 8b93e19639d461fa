"""Filler in place of what a request says: of the same length, and in the same shape, so that it can be sent again."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from jan_ort_openapi import load_spec

_LETTERS = "loremipsumdolorsitametconsecteturadipiscingelitseddoeiusmod"
_PART = 6
_WORDS = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod "


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SCHEMA_KEYS = _words(
    "$ref $defs $schema definitions properties required items prefixItems enum const anyOf oneOf allOf not if then "
    "else additionalProperties pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength "
    "maxLength minItems maxItems uniqueItems title default examples nullable strict schema parameters description"
)
_SCHEMA_CHOICES = _words(
    "object array string number integer boolean null date date-time time email uuid uri ipv4 ipv6 hostname"
)
_CHOSEN = _words("role type tool_choice function_call encoding_format logit_bias_type format")
"""Keys whose values a schema lists."""

_OF_NAMES = _words("properties $defs definitions")
"""Keys of objects whose own keys are names that a client has chosen, and whose values are schemas."""

_OF_VALUES = _words("enum const default examples")
"""Keys of a schema whose values are anything."""

_TOKEN_IDS = _words("prompt input tokens")
_GRAMMAR = 'root ::= "{}"'


class Filler:
    """Replaces texts, each always by the same one, so that what refers to another still does.

    ``kept`` are texts that say nothing private, such as the names of served models.
    """

    def __init__(self, kept: frozenset[str] = frozenset()) -> None:
        self._kept = kept
        self._given: dict[str, str] = {}
        self._used: set[str] = set()

    def fill(self, value: Any, key: str = "", *, own: bool = False) -> Any:
        """Return a JSON value with filler for its texts, and for numbers and keys that are the client's ``own``."""
        match value:
            case str():
                return self._fill_text(value, key, own)
            case dict():
                return dict(self._fill_member(key, name, each, own) for name, each in value.items())
            case list():
                return [self.fill(each, key, own=own) for each in value]
            case bool() | None:
                return value
            case int() | float():
                return 1 if own or key in _TOKEN_IDS else value
        raise AssertionError("JSON has no other values")

    def mask(self, text: str) -> str:
        """Return a message with filler for every replaced text of four characters or more that it repeats.

        Of longer texts, parts of six characters or more become stars.
        """
        spelled = {given: _spellings(given) for given in sorted(self._given, key=len, reverse=True) if len(given) > 3}
        for given, spellings in spelled.items():
            for spelling in spellings:
                text = text.replace(spelling, self._given[given])
        return _starred(text, itertools.chain.from_iterable(spelled.values()))

    def _fill_member(self, key: str, name: str, value: Any, own: bool) -> tuple[str, Any]:
        if key in _OF_NAMES and not own:
            return self._replace(name), self.fill(value)
        if key == "logit_bias" and name.isdecimal() and not own:  # token ids for keys
            return name, self.fill(value)
        if own or name not in _known_keys():
            return self._replace(name), self.fill(value, own=True)
        return name, self.fill(value, name, own=name in _OF_VALUES)

    def _fill_text(self, text: str, key: str, own: bool) -> str:
        if text in self._kept or (not own and key in _CHOSEN and text in _choices()):
            return text
        if key == "$ref":
            return "/".join(each if each in _SCHEMA_KEYS else self._replace(each) for each in text.split("/"))
        if key == "arguments" and (inner := self._fill_json(text)) is not None:
            return inner
        room = len(text) - len(_GRAMMAR.format(""))
        if key == "grammar" and room > 0:
            return _GRAMMAR.format("".join(itertools.islice(itertools.cycle(_LETTERS), room)))
        return self._replace(text)

    def _fill_json(self, text: str) -> str | None:
        """Return JSON in a text with filler within, None if there is none or the filler takes more room."""
        try:
            filled = json.dumps(self.fill(json.loads(text), own=True), separators=(",", ":"))
        except ValueError:
            return None
        return filled.ljust(len(text)) if len(filled) <= len(text) else None

    def _replace(self, text: str) -> str:
        if text in ("", "#"):
            return text
        if text not in self._given:
            free = (each for each in _candidates(text) if each not in self._used)
            found = next(free, None) or next(_candidates(text))
            self._used.add(found)
            self._given[text] = found
        return self._given[text]


def _spellings(text: str) -> set[str]:
    return {text, json.dumps(text)[1:-1], repr(text)[1:-1]}


def _starred(message: str, texts: Iterable[str]) -> str:
    """Return the message with stars for the characters of parts that a text has, too; blanks stay."""
    parts = {text[start : start + _PART] for text in texts for start in range(len(text) - _PART + 1)}
    starts = [start for start in range(len(message) - _PART + 1) if message[start : start + _PART] in parts]
    hidden = {place for start in starts for place in range(start, start + _PART)}
    return "".join("*" if at in hidden and not each.isspace() else each for at, each in enumerate(message))


def _candidates(text: str) -> Iterator[str]:
    """Yield texts of the same length, of letters alone where this has no blank: a name must stay one."""
    stream = _WORDS if any(character.isspace() for character in text) else _LETTERS
    for start in range(len(stream)):
        turned = itertools.cycle(stream[start:] + stream[:start])
        yield "".join(itertools.islice(turned, len(text)))


@cache
def _known_keys() -> frozenset[str]:
    """Return the names of all fields of the API's document, and of a JSON schema's own."""
    schemas = load_spec()["components"]["schemas"].values()
    return _SCHEMA_KEYS | {name for schema in schemas for name in schema.get("properties", {})}


@cache
def _choices() -> frozenset[str]:
    """Return the texts that the API's document and JSON schema list for some field."""

    def listed(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (each for each in (*value.get("enum", ()), value.get("const")) if isinstance(each, str))
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from listed(each)

    return _SCHEMA_CHOICES | set(listed(load_spec()["components"]["schemas"]))
