"""Which test says what a request field does, and which request fields there are in the served document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from jan_ort_openapi import load_spec
from tests.http.handlers.serving import CHAT, COMPLETIONS

Field = tuple[str, str]
"""The schema that has the field, and the field's name."""

Test = TypeVar("Test", bound=Callable[..., Any])

NAMED: dict[Field, list[str]] = {}
"""The tests of each field, by the names of their functions."""


def field(schema: str, *names: str) -> Callable[[Test], Test]:
    """Say that a test is about fields of ``schema``; a parameter of a path has the path in place of the schema."""

    def mark(test: Test) -> Test:
        for name in names:
            NAMED.setdefault((schema, name), []).append(test.__name__)
        return test

    return mark


def generation_field(*names: str) -> Callable[[Test], Test]:
    """Say that a test is about fields that completions and chat share, and run it with either ``path``."""

    def mark(test: Test) -> Test:
        for schema in ("CreateCompletionRequest", "CreateChatCompletionRequest"):
            field(schema, *names)(test)
        parametrized: Test = pytest.mark.parametrize("path", [COMPLETIONS, CHAT], ids=["completions", "chat"])(test)
        return parametrized

    return mark


def request_fields() -> set[Field]:
    """Return every field that a request may have, as document and overlay are served: bodies, whatever they refer to,
    and parameters. A schema without a name has that of its field: ``Outer.field``.
    """
    spec = load_spec()
    found: set[Field] = set()
    for path, item in spec["paths"].items():
        for operation in item.values():
            found |= {(path, parameter["name"]) for parameter in operation.get("parameters", ())}
            if "requestBody" in operation:
                _walk(operation["requestBody"]["content"], path, spec["components"]["schemas"], found, set())
    return found


def _walk(node: Any, owner: str, schemas: dict[str, Any], found: set[Field], seen: set[str]) -> None:
    """Add the fields below ``node`` to ``found``. What stands beside a ``$ref`` narrows that schema's own fields."""
    if isinstance(node, dict) and "$ref" in node:
        owner = node["$ref"].rpartition("/")[2]
    for key, child in _children(node):
        if key == "$ref":
            name = child.rpartition("/")[2]
            if name not in seen:
                seen.add(name)
                _walk(schemas[name], name, schemas, found, seen)
        elif key == "properties":
            for name, schema in child.items():
                found.add((owner, name))
                _walk(schema, f"{owner}.{name}", schemas, found, seen)
        elif key not in ("default", "example", "examples", "discriminator"):  # values, not schemas
            _walk(child, owner, schemas, found, seen)


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        yield from node.items()
    elif isinstance(node, list):
        yield from (("", child) for child in node)
