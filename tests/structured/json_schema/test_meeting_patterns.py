"""Patterns that hold for one text are bounded, by whatever way they meet; those of other texts are not."""

from __future__ import annotations

from typing import Any

import pytest

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.meeting_patterns import MAX_MEETING
from jan_ort.structured.json_schema.schema_checks import checked_schema

MANY = MAX_MEETING + 8


def text(number: int) -> dict[str, Any]:
    return {"type": "string", "pattern": f"a{{{number},}}b"}


def chain(length: int) -> dict[str, Any]:
    """Return definitions of which each refers to the next, and has a pattern beside the reference."""
    links = {f"d{n}": text(n) | {"$ref": f"#/$defs/d{n + 1}"} for n in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": links | {f"d{length}": text(length)}}


def one(name: str, schema: object) -> dict[str, Any]:
    return {"type": "object", "properties": {name: schema}, "required": [name]}


BOMBS: dict[str, dict[str, Any]] = {
    "allOf": {"allOf": [text(n) for n in range(MANY)]},
    "of properties": {"allOf": [one("p", text(n)) for n in range(MANY)]},
    "of items": {"allOf": [{"type": "array", "items": text(n)} for n in range(MANY)]},
    "of names and the rest": {
        "allOf": [
            one("p", text(1)),
            *({"type": "object", "additionalProperties": text(n)} for n in range(MANY)),
        ]
    },
    "of choices": {"allOf": [{"anyOf": [text(n), text(n + 100)]} for n in range(MANY)]},
    "of choices of objects": {"allOf": [{"anyOf": [one("p", text(n)), {"type": "null"}]} for n in range(MANY)]},
    "references with patterns beside": chain(MANY),
    "in a definition": {
        "type": "array",
        "items": {"$ref": "#/$defs/x"},
        "$defs": {"x": {"allOf": [*map(text, range(MANY))]}},
    },
    "far below": one("a", one("b", {"type": "array", "items": {"allOf": [*map(text, range(MANY))]}})),
}


@pytest.mark.parametrize("name", BOMBS)
def test_many_patterns_of_one_text_are_refused_with_both_numbers(name: str) -> None:
    with pytest.raises(SchemaError, match=f"patterns or formats hold for one text, but only {MAX_MEETING} are allowed"):
        checked_schema(BOMBS[name])


SERVED: dict[str, dict[str, Any]] = {
    "many properties of two parents": {
        "allOf": [{"type": "object", "properties": {f"{parent}{n}": text(n) for n in range(40)}} for parent in "ab"]
    },
    "a union of many": {"anyOf": [one("id", text(n)) for n in range(40)]},
    "a union of unions": {"anyOf": [{"anyOf": [one("id", text(n)), text(n)]} for n in range(40)]},
    "a union of texts in a parent": {"allOf": [{"anyOf": [{"anyOf": [*map(text, range(40))]}]}, {"type": "string"}]},
    "a list of places": {"type": "array", "prefixItems": [text(n) for n in range(40)]},
    "one definition used often": {
        "type": "object",
        "properties": {f"p{n}": {"$ref": "#/$defs/day"} for n in range(40)},
        "$defs": {"day": {"type": "string", "format": "date"}},
    },
    "a tree": {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"id": text(1), "below": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            }
        },
    },
}


@pytest.mark.parametrize("name", SERVED)
def test_patterns_of_other_texts_are_not_counted_together(name: str) -> None:
    assert checked_schema(SERVED[name])
