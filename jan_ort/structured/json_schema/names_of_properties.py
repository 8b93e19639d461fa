"""Objects whose names satisfy ``propertyNames`` (hop 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.negation import Schemas
from jan_ort.structured.json_schema.references import Document

_HELD = ("const", "enum", "pattern", "minLength", "maxLength", "not")
_ASSERTING = (*_HELD, "$ref", "format", "allOf", "anyOf", "oneOf", "if", "then", "else")


def named_objects(schema: Mapping[str, Any], root: Document, path: str) -> Schemas:
    """Return schemas of objects that have only such names. Raises: SchemaError for what cannot be said of a name."""
    return _named(schema["propertyNames"], root, f"{path}/propertyNames", 0)


def _named(names: Any, root: Document, path: str, depth: int) -> Schemas:
    if isinstance(names, bool):
        return [] if names else [{"maxProperties": 0}]
    reference = names.get("$ref")
    if isinstance(reference, str) and depth < 8 and isinstance(root.target(reference), bool | Mapping):
        rest = {key: value for key, value in names.items() if key != "$ref"}
        return [*_named(root.target(reference), root, path, depth + 1), *_named(rest, root, path, depth + 1)]
    types = names.get("type", "string")
    if "string" not in ([types] if isinstance(types, str) else types):
        return [{"maxProperties": 0}]
    held = {key: names[key] for key in _ASSERTING if key in names}
    if not held:
        return []
    if set(held) == {"not"} and isinstance(held["not"], Mapping) and set(held["not"]) <= {"const", "enum"}:
        return [{"properties": dict.fromkeys(_texts(held["not"]), False)}]
    if "const" in held or "enum" in held:
        if len(held) == 1:
            return [{"properties": dict.fromkeys(_texts(held), True), "additionalProperties": False}]
    elif set(held) <= {"minLength", "maxLength"}:
        return [_all_match(f"^[\\s\\S]{{{held.get('minLength', 0)},{held.get('maxLength', '')}}}$")]
    elif set(held) == {"pattern"} and isinstance(held["pattern"], str):
        return [_all_match(held["pattern"])]
    raise SchemaError(
        path,
        f"names cannot be held to {' and '.join(map(repr, held))} together",
        "use one of const, enum, pattern, minLength and maxLength",
    )


def _all_match(pattern: str) -> dict[str, Any]:
    return {"patternProperties": {pattern: True}, "additionalProperties": False}


def _texts(names: Mapping[str, Any]) -> list[str]:
    values = [names["const"]] if "const" in names else names.get("enum", [])
    return [value for value in values if isinstance(value, str)]
