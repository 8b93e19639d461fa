"""Whether two schemas have no value in common, as far as it shows without looking for one (hop 3)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from jan_ort.structured.json_schema.negation import TYPES, type_of
from jan_ort.structured.json_schema.references import Document

_MAX_DEPTH = 8


def are_disjoint(one: Any, other: Any, root: Document, depth: int = 0) -> bool:
    """Whether no value satisfies both; False also where it does not show. Raises: SchemaError."""
    root.steps.take()
    if one is False or other is False:
        return True
    if depth > _MAX_DEPTH or not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return False
    if any(are_disjoint(part, other, root, depth + 1) for part in _parts(one, root)):
        return True
    if any(are_disjoint(one, part, root, depth + 1) for part in _parts(other, root)):
        return True
    for split, whole in ((one, other), (other, one)):
        for options in (split.get("anyOf"), split.get("oneOf")):
            if isinstance(options, list) and all(are_disjoint(each, whole, root, depth + 1) for each in options):
                return True
    return _own_are_disjoint(one, other, root, depth)


def _parts(schema: Mapping[str, Any], root: Document) -> Iterator[Any]:
    """Yield what every value of the schema satisfies, too."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        yield root.target(reference)
    parts = schema.get("allOf")
    yield from parts if isinstance(parts, list) else ()


def _own_are_disjoint(one: Mapping[str, Any], other: Mapping[str, Any], root: Document, depth: int) -> bool:
    ours, theirs = _values(one), _values(other)
    if ours is not None and theirs is not None:
        return not _keys(ours, root) & _keys(theirs, root)
    for values, schema in ((ours, other), (theirs, one)):
        if values is not None:
            root.steps.take(len(values))
            return all(_fails(value, schema) for value in values)
    common = _types(one) & _types(other)
    return all(_differ_as(kind, one, other, root, depth) for kind in common)


def _differ_as(kind: str, one: Mapping[str, Any], other: Mapping[str, Any], root: Document, depth: int) -> bool:
    """Whether no value of one type satisfies both."""
    if kind in _RANGES and not _ranges_meet(_range(kind, one), _range(kind, other)):
        return True
    if kind == "number":
        return not _ranges_meet(_numbers(one), _numbers(other))
    if kind == "array":
        least = max(_range(kind, one)[0], _range(kind, other)[0])
        items = zip(_prefix(one), _prefix(other), strict=False)
        return any(at < least and are_disjoint(*pair, root, depth + 1) for at, pair in enumerate(items))
    if kind == "object":
        required = sorted({*_required(one), *_required(other)}, key=lambda name: _num_values(_property(one, name)))
        return any(are_disjoint(_property(one, name), _property(other, name), root, depth + 1) for name in required)
    return False


_RANGES = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


def _range(kind: str, schema: Mapping[str, Any]) -> tuple[float, float]:
    low, high = _RANGES[kind]
    return _number(schema, low, 0), _number(schema, high, math.inf)


def _ranges_meet(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return max(one[0], other[0]) <= min(one[1], other[1])


def _numbers(schema: Mapping[str, Any]) -> tuple[float, float]:
    above, below = _number(schema, "exclusiveMinimum", -math.inf), _number(schema, "exclusiveMaximum", math.inf)
    low = max(_number(schema, "minimum", -math.inf), math.nextafter(above, math.inf) if above > -math.inf else above)
    return low, min(
        _number(schema, "maximum", math.inf), math.nextafter(below, -math.inf) if below < math.inf else below
    )


def _number(schema: Mapping[str, Any], keyword: str, default: float) -> float:
    value = schema.get(keyword)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default


def _types(schema: Mapping[str, Any]) -> set[str]:
    named = schema.get("type", TYPES)
    types = {named} if isinstance(named, str) else {*map(str, named)} if isinstance(named, list | tuple) else {*TYPES}
    return {"number" if each == "integer" else each for each in types}


def _values(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) else None


def _num_values(schema: Any) -> float:
    """Return how many values there are at most: what has the fewest, such as a kind's name, tells schemas apart."""
    values = _values(schema) if isinstance(schema, Mapping) else None
    return math.inf if values is None else len(values)


def _fails(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value surely does not satisfy a schema."""
    kind = type_of(value)
    if kind not in _types(schema):
        return True
    if kind == "number":
        low, high = _numbers(schema)
        is_fraction = schema.get("type") == "integer" and not float(value).is_integer()
        return is_fraction or not low <= value <= high
    if kind in _RANGES:
        low, high = _range(kind, schema)
        return not low <= len(value) <= high or (kind == "object" and not {*_required(schema)} <= {*value})
    return False


def _keys(values: list[Any], root: Document) -> set[str]:
    keys = set()
    for value in values:
        key = _key(value)
        root.steps.take(1 + len(key) // 32)
        keys.add(key)
    return keys


def _key(value: Any) -> str:
    """Return a text that is the same for equal values."""
    return json.dumps(float(value) if type_of(value) == "number" else value, sort_keys=True)


def _prefix(schema: Mapping[str, Any]) -> list[Any]:
    items = schema.get("prefixItems")
    return items if isinstance(items, list) else []


def _required(schema: Mapping[str, Any]) -> list[str]:
    names = schema.get("required")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _property(schema: Mapping[str, Any], name: str) -> Any:
    """Return what the schema says of a property, True for nothing."""
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and name in properties:
        return properties[name]
    return True if "patternProperties" in schema else schema.get("additionalProperties", True)
