"""Where the schemas inside of a schema are (hop 3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError

ONE_SCHEMA = (
    "additionalProperties",
    "items",
    "additionalItems",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
LIST_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


MAX_PATHS = 2**24
"""Characters of the paths of all schemas: a long name stands in the path of each that is below it."""


def subschemas(root: dict[str, Any], at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object that is a schema, with its path; ``at`` is that of ``root``.

    Raises: SchemaError where a schema should be and is none, and for paths that are too long.
    """
    pending: list[tuple[str, object]] = [(at, root)]
    num_left = MAX_PATHS
    while pending:
        path, schema = pending.pop()
        if isinstance(schema, bool):
            continue
        if not isinstance(schema, dict):
            raise SchemaError(path, f"{shown(schema)} is not a JSON schema", "give an object, true or false")
        yield path, schema
        children = []
        for child in _children(path, schema):
            children.append(child)
            num_left -= len(child[0])
            if num_left < 0:
                raise SchemaError("", f"the paths in it have more than {MAX_PATHS} characters", "use shorter names")
        pending.extend(reversed(children))


def _children(path: str, schema: dict[str, object]) -> Iterator[tuple[str, object]]:
    for keyword, value in schema.items():
        below = f"{path}/{escaped(keyword)}"
        if keyword in ONE_SCHEMA:
            yield below, value
        elif keyword in LIST_OF_SCHEMAS:
            if not isinstance(value, list):
                raise SchemaError(below, f"{shown(value)} is not a list of schemas", "give a list")
            yield from ((f"{below}/{index}", item) for index, item in enumerate(value))
        elif keyword in NAMED_SCHEMAS:
            if not isinstance(value, dict):
                raise SchemaError(below, f"{shown(value)} is not an object of schemas", "give an object")
            yield from ((f"{below}/{escaped(name)}", item) for name, item in value.items())


def escaped(name: str) -> str:
    """Return a name as part of a JSON pointer. Source: RFC 6901, section 3."""
    return name.replace("~", "~0").replace("/", "~1")


def shown(value: object) -> str:
    """Return a value as an error names it."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
