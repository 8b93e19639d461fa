"""Arrays without equal items, where the items have few values: every such array by itself (hop 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations, permutations
from math import comb, perm
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.negation import TYPES, Schemas, type_of
from jan_ort.structured.json_schema.references import Document

MAX_ARRAYS = 400
"""Arrays that are spelled out."""
MAX_VALUES = 64
_NARROWING = frozenset(
    {
        *("allOf", "anyOf", "oneOf", "not", "if", "$ref", "$dynamicRef", "format", "pattern", "multipleOf"),
        *("minLength", "maxLength", "exclusiveMinimum", "exclusiveMaximum", "items", "prefixItems", "minItems"),
        *("maxItems", "properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
        *("minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies", "contains"),
        *("uniqueItems", "unevaluatedItems", "unevaluatedProperties"),
    }
)
"""Keywords beside a list of values that may take some of them away."""


def unique_arrays(schema: Mapping[str, Any], root: Document, path: str) -> Schemas:
    """Return a schema of the arrays that repeat no item. Raises: SchemaError where they are too many to spell out.

    In any order if those are not too many, else in the order in which the schema lists the values.
    """
    most = schema.get("maxItems")
    if most in (0, 1):
        return []
    arrays = _arrays(schema, root)
    if arrays is None:
        problem = "the keyword 'uniqueItems' is not supported beyond items of few values"
        raise SchemaError(path, problem, "list the values of 'items' under 'enum', or lower 'maxItems'")
    exact = [
        {
            "type": "array",
            "prefixItems": [{"const": each} for each in array],
            "minItems": len(array),
            "maxItems": len(array),
        }
        for array in arrays
    ]
    return [{"anyOf": [*exact, {"type": [each for each in TYPES if each != "array"]}]}]


def _arrays(schema: Mapping[str, Any], root: Document) -> list[tuple[Any, ...]] | None:
    prefix, least, most = schema.get("prefixItems", []), schema.get("minItems", 0), schema.get("maxItems")
    firsts = [_values(each, root) for each in prefix]
    rest = _values(schema.get("items", True), root)
    if None in firsts or (rest is None and (most is None or most > len(prefix))):
        return None
    longest = len(firsts) + len(rest or [])
    counts = range(least, min(longest, longest if most is None else most) + 1)
    if firsts:
        return _tuples([each or [] for each in firsts], rest or [], counts, root)
    values = rest or []
    is_few = sum(perm(len(values), count) for count in counts) <= MAX_ARRAYS
    if not is_few and sum(comb(len(values), count) for count in counts) > MAX_ARRAYS:
        return None
    choose = permutations if is_few else combinations
    return [array for count in counts for array in choose(values, count)]


def _tuples(firsts: list[list[Any]], rest: list[Any], counts: range, root: Document) -> list[tuple[Any, ...]] | None:
    """Return the arrays of these lengths, the shortest first; None for too many."""
    found: list[tuple[Any, ...]] = []
    begun: list[tuple[Any, ...]] = [()]
    for count in range(counts.stop):
        if count in counts:
            found += begun
        if len(found) > MAX_ARRAYS:
            return None
        values = firsts[count] if count < len(firsts) else rest
        root.steps.take(len(begun) * len(values) * (1 + count))
        begun = [(*array, each) for array in begun for each in values if _key(each) not in map(_key, array)]
    return found


def _values(schema: Any, root: Document, depth: int = 0) -> list[Any] | None:
    """Return all values of a schema, each once; None for more than a few, or where they do not show."""
    if schema is False:
        return []
    if not isinstance(schema, Mapping) or depth > 8:
        return None
    reference = schema.get("$ref")
    if isinstance(reference, str) and len(schema) == 1:
        return _values(root.target(reference), root, depth + 1)
    if _NARROWING & schema.keys():
        return None
    kind, listed = schema.get("type"), [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(listed, list) and isinstance(kind, str | None):
        if len(listed) > MAX_ARRAYS:
            return None
        root.steps.take(len(listed))
        values = {_key(value): value for value in listed if kind is None or _is_of(kind, value)}
        return list(values.values())
    if kind in ("boolean", "null"):
        return [True, False] if kind == "boolean" else [None]
    low, high = schema.get("minimum"), schema.get("maximum")
    if kind == "integer" and isinstance(low, int) and isinstance(high, int) and high - low < MAX_VALUES:
        return list(range(low, high + 1))
    return None


def _is_of(kind: str, value: Any) -> bool:
    return type_of(value) == kind or (kind == "integer" and type_of(value) == "number" and float(value).is_integer())


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
