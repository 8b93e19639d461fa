"""Schemas without an end: whose values hold one another, or that ask only for themselves (hop 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.references import target
from jan_ort.structured.json_schema.subschemas import subschemas

_FOR_THE_SAME_VALUE = ("not", "if", "then", "else")
_ALL_FOR_THE_SAME_VALUE = ("allOf", "anyOf", "oneOf")
_NAMED_FOR_THE_SAME_VALUE = ("dependentSchemas", "dependencies")
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


def check_progress(root: dict[str, Any]) -> None:
    """Raises: SchemaError for a schema that leads back to itself for the same value, which says nothing of that.

    Source: JSON Schema 2020-12, core, section 9.4.1 (guarding against infinite recursion).
    """
    done: set[int] = set()
    for path, start in subschemas(root):
        above: set[int] = set()
        pending: list[tuple[Any, bool]] = [(start, False)]
        while pending:
            schema, is_left = pending.pop()
            if is_left:
                above.discard(id(schema))
                done.add(id(schema))
            elif id(schema) in above:
                problem = "its references lead back to it without going into a property or an item"
                raise SchemaError(path, problem, "leave one of them out")
            elif isinstance(schema, Mapping) and id(schema) not in done:
                above.add(id(schema))
                pending.append((schema, True))
                pending += ((each, False) for each in _of_the_same_value(schema, root))


def _of_the_same_value(schema: Mapping[str, Any], root: dict[str, Any]) -> list[Any]:
    """Return the schemas that speak of the value that this one speaks of."""
    found = [schema[name] for name in _FOR_THE_SAME_VALUE if name in schema]
    found += [each for name in _ALL_FOR_THE_SAME_VALUE for each in schema.get(name, ())]
    found += [each for name in _NAMED_FOR_THE_SAME_VALUE for each in schema.get(name, {}).values()]
    reference = schema.get("$ref")
    return [*found, target(root, reference)] if isinstance(reference, str) and reference.startswith("#") else found
