"""What does not satisfy a schema, as schemas without ``not`` (hop 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from jan_ort.structured.json_schema.references import Document

TYPES = ("null", "boolean", "number", "string", "array", "object")
_NOT_SAID = frozenset(
    {
        *("oneOf", "if", "then", "else", "pattern", "format", "multipleOf", "patternProperties", "propertyNames"),
        *("additionalProperties", "additionalItems", "items", "contains", "uniqueItems", "dependencies"),
        *("dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties", "$dynamicRef"),
    }
)
"""Keywords that assert something whose contrary has no schema here."""
_MAX_TEXTS, _MAX_TEXT = 256, 256
_MAX_DEPTH = 12

Schemas = list[Any]


def negated(schema: Any, root: Document, depth: int = 0) -> Schemas | None:
    """Return schemas of which exactly the values that do not satisfy ``schema`` satisfy one; None if it cannot be said.

    The schema is as the request has it: one that was narrowed would let too much through. Raises: SchemaError.
    """
    root.steps.take()
    if isinstance(schema, bool):
        return [] if schema else [True]
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    alternatives: Schemas = []
    for keyword, value in schema.items():
        found = _negated_keyword(keyword, value, schema, root, depth + 1)
        if found is None:
            return None
        root.steps.take(len(found))
        alternatives += found
    return alternatives


def _negated_keyword(keyword: str, value: Any, schema: Mapping[str, Any], root: Document, depth: int) -> Schemas | None:
    match keyword:
        case "const":
            return _other_values([value], root)
        case "enum":
            return _other_values(value, root) if isinstance(value, list) else None
        case "not":
            return [value]
        case "$ref":
            found = root.target(value) if isinstance(value, str) and value.startswith("#") else None
            return None if found is None else negated(found, root, depth)
        case "allOf":
            return _union(negated(each, root, depth) for each in value)
        case "anyOf":
            return _intersection([negated(each, root, depth) for each in value])
        case "properties" | "prefixItems":
            return _negated_parts(keyword, value, root, depth)
        case "items" if isinstance(schema.get("prefixItems", []), list) and value is False:
            return [{"type": "array", "minItems": len(schema.get("prefixItems", [])) + 1}]
    if keyword in _NOT_SAID:
        return [] if value is True or (keyword == "uniqueItems" and value is False) else None
    return _SIMPLE[keyword](value) if keyword in _SIMPLE else []  # else it asserts nothing


def _negated_parts(keyword: str, value: Any, root: Document, depth: int) -> Schemas | None:
    if keyword == "properties":
        parts = {name: negated(each, root, depth) for name, each in value.items()}
        if None in parts.values():
            return None
        return [
            {"type": "object", "required": [name], "properties": {name: each}}
            for name, found in parts.items()
            for each in found or ()
        ]
    items = [negated(each, root, depth) for each in value]
    if None in items:
        return None
    return [
        {"type": "array", "minItems": at + 1, "prefixItems": [*[True] * at, each]}
        for at, found in enumerate(items)
        for each in found or ()
    ]


def _union(found: Any) -> Schemas | None:
    each = list(found)
    return None if None in each else [schema for schemas in each for schema in schemas]


def _intersection(found: Sequence[Schemas | None]) -> Schemas | None:
    """Return what satisfies one of each."""
    if None in found:
        return None
    return [{"allOf": [{"anyOf": schemas} for schemas in found]}] if all(found) else []


def _types(value: Any) -> Schemas | None:
    named = {value} if isinstance(value, str) else {*value} if isinstance(value, list) else set[Any]()
    if not named or not named <= {*TYPES, "integer"} or ("integer" in named and "number" not in named):
        return None  # a number that is no integer cannot be said
    left = [each for each in TYPES if each not in named]
    return [{"type": left}] if left else []


def _other_values(values: Sequence[Any], root: Document) -> Schemas | None:
    # A pattern of other texts is written anew for each of their characters.
    root.steps.take(len(values) + 8 * sum(len(value) for value in values if isinstance(value, str)))
    return other_values(values)


def other_values(values: Sequence[Any]) -> Schemas | None:
    """Return what none of these values is; None for arrays and objects that hold something."""
    by_type: dict[str, list[Any]] = {name: [] for name in TYPES}
    for value in values:
        if isinstance(value, dict | list) and value:
            return None
        by_type[type_of(value)].append(value)
    texts = by_type["string"]
    if len(texts) > _MAX_TEXTS or max(map(len, texts), default=0) > _MAX_TEXT:
        return None
    others: Schemas = [{"const": value} for value in (True, False) if value not in by_type["boolean"]]
    others += _gaps(sorted({*by_type["number"]}))
    others.append({"type": "string"} | ({"pattern": other_texts(texts)} if texts else {}))
    others.append({"type": "array"} | ({"minItems": 1} if by_type["array"] else {}))
    others.append({"type": "object"} | ({"minProperties": 1} if by_type["object"] else {}))
    return others if by_type["null"] else [{"type": "null"}, *others]


def _gaps(numbers: list[float]) -> Schemas:
    if not numbers:
        return [{"type": "number"}]
    between = [{"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": high} for low, high in pairwise(numbers)]
    return [
        {"type": "number", "exclusiveMaximum": numbers[0]},
        *between,
        {"type": "number", "exclusiveMinimum": numbers[-1]},
    ]


def other_texts(texts: Sequence[str]) -> str:
    """Return a pattern of every text but these."""
    endings = sorted({*texts})
    firsts = sorted({text[0] for text in endings if text})
    go_on = [f"{_literal(first)}(?:{_others_after(first, endings)})" for first in firsts]
    anything = f"[^{''.join(map(_literal, firsts))}][\\s\\S]*" if firsts else "[\\s\\S]+"
    return f"^(?:{'|'.join([*([] if '' in endings else ['']), anything, *go_on])})$"


def _others_after(first: str, texts: Sequence[str]) -> str:
    return other_texts([text[1:] for text in texts if text[:1] == first])[1:-1]


def _literal(character: str) -> str:
    return character if character.isalnum() or not character.isascii() else f"\\x{ord(character):02x}"


def type_of(value: Any) -> str:
    """Return the name of a JSON value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _above(kind: str, keyword: str) -> Callable[[Any], Schemas | None]:
    return lambda value: [{"type": kind, keyword: value + 1}] if isinstance(value, int) else None


def _below(kind: str, keyword: str) -> Callable[[Any], Schemas | None]:
    return lambda value: ([{"type": kind, keyword: value - 1}] if value > 0 else []) if isinstance(value, int) else None


def _bound(keyword: str) -> Callable[[Any], Schemas | None]:
    return lambda value: [{"type": "number", keyword: value}]


def _required(value: Any) -> Schemas | None:
    return [{"type": "object", "properties": {name: False}} for name in value] if isinstance(value, list) else None


_SIMPLE: dict[str, Callable[[Any], Schemas | None]] = {
    "type": _types,
    "required": _required,
    "minimum": _bound("exclusiveMaximum"),
    "maximum": _bound("exclusiveMinimum"),
    "exclusiveMinimum": _bound("maximum"),
    "exclusiveMaximum": _bound("minimum"),
    "minLength": _below("string", "maxLength"),
    "maxLength": _above("string", "minLength"),
    "minItems": _below("array", "maxItems"),
    "maxItems": _above("array", "minItems"),
    "minProperties": _below("object", "maxProperties"),
    "maxProperties": _above("object", "minProperties"),
}
