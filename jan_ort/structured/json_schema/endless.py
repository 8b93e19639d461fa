"""Schemas that no finite value satisfies, because each holds another of its kind (hop 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from jan_ort.structured.json_schema.references import target

_MAX_PASSES = 16
"""Passes over all references; each but the last finds one that ends, and two are enough for a chain of them."""


def is_endless(root: dict[str, Any], references: Collection[str]) -> bool:
    """Whether every value of the schema holds another one without end; ``references`` are all of its ``$ref``."""
    ending: set[str] = set()
    order = list(references)
    for _ in range(_MAX_PASSES):
        num_before = len(ending)
        for each in order:
            if each not in ending and _can_end(target(root, each), ending):
                ending.add(each)
        if len(ending) == num_before:
            return not _can_end(root, ending)
        order.reverse()
    return False


def _can_end(schema: Any, ending: Collection[str]) -> bool:
    """Whether a value is finite if those of the references ``ending`` are; in doubt, it is."""
    if not isinstance(schema, Mapping):
        return True
    if "$ref" in schema and schema["$ref"] not in ending:
        return False
    options = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if options and not any(_can_end(each, ending) for each in options):
        return False
    return all(_can_end(each, ending) for each in (*schema.get("allOf", ()), *_held(schema)))


def _held(schema: Mapping[str, Any]) -> list[Any]:
    """Return what every value of the schema holds."""
    required, properties = schema.get("required"), schema.get("properties")
    if schema.get("type") == "object" and isinstance(required, list) and isinstance(properties, Mapping):
        return [properties.get(str(name)) for name in required]
    num, first = schema.get("minItems"), schema.get("prefixItems", [])
    if schema.get("type") == "array" and isinstance(num, int):
        return [*first[:num], schema.get("items")] if num > len(first) else first[:num]
    return []
