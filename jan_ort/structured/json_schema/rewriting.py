"""What the matcher has no keyword for, said in those that it has; mostly exactly, else more narrowly (hop 3).

A narrower schema is held to by fewer texts, and each of them satisfies the schema of the request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.names_of_properties import named_objects
from jan_ort.structured.json_schema.negation import TYPES, Schemas, negated
from jan_ort.structured.json_schema.overlaps import are_disjoint
from jan_ort.structured.json_schema.references import Document, Steps
from jan_ort.structured.json_schema.subschemas import LIST_OF_SCHEMAS, NAMED_SCHEMAS, ONE_SCHEMA, escaped
from jan_ort.structured.json_schema.unevaluated import items_left, properties_left
from jan_ort.structured.json_schema.unique_items import unique_arrays

MAX_PARTS = 20_000
"""Schemas that one may become."""
MAX_SPELLED_CHARACTERS = 2**20
"""Characters of their values and names: a choice of many may hold the same long list in each."""
MAX_ALTERNATIVES = 32
"""Alternatives of a ``oneOf`` that are told apart."""
REWRITTEN = (
    *("oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "contains"),
    *("minContains", "maxContains", "propertyNames", "uniqueItems", "unevaluatedProperties", "unevaluatedItems"),
)
_Say = Callable[[Mapping[str, Any], Document, str], Schemas]


def rewritten(root: dict[str, Any], steps: Steps) -> dict[str, Any]:
    """Return the schema without what the matcher does not know. Raises: SchemaError for what cannot be said."""
    found: dict[str, Any] = _Rewriting(Document(root, steps)).of(root, "")
    return found


class _Rewriting:
    def __init__(self, root: Document) -> None:
        self._root = root
        self._num_left = MAX_PARTS
        self._characters_left = MAX_SPELLED_CHARACTERS

    def of(self, schema: Any, path: str) -> Any:
        """Return a schema of the request, or one said in place of a part of it, in the matcher's keywords."""
        if not isinstance(schema, dict):
            return schema
        self._num_left -= 1
        if self._num_left < 0:
            raise SchemaError(
                path, f"it becomes more than {MAX_PARTS} schemas when it is spelled out", "use fewer choices"
            )
        said: Schemas = []
        for keyword, say in _SAYINGS:
            if keyword in schema:
                below = f"{path}/{keyword}"
                said += [self.of(each, below) for each in say(schema, self._root, path)]
        kept = {key: self._below(key, value, path) for key, value in schema.items() if key not in REWRITTEN}
        if said:
            kept["allOf"] = [*kept.get("allOf", []), *said]
        return kept

    def _below(self, keyword: str, value: Any, path: str) -> Any:
        at = f"{path}/{escaped(keyword)}"
        if keyword in ONE_SCHEMA:
            return self.of(value, at)
        if keyword in LIST_OF_SCHEMAS:
            return [self.of(each, f"{at}/{index}") for index, each in enumerate(value)]
        if keyword in NAMED_SCHEMAS:
            self._write("".join(value), at)
            return {name: self.of(each, f"{at}/{escaped(name)}") for name, each in value.items()}
        self._write(value, at)
        return value

    def _write(self, value: Any, path: str) -> None:
        self._characters_left -= len(json.dumps(value))
        if self._characters_left < 0:
            problem = f"it becomes more than {MAX_SPELLED_CHARACTERS} characters when it is spelled out"
            raise SchemaError(path, problem, "use fewer choices, or shorter ones")


def bring_up_to_date(schema: dict[str, Any]) -> None:
    """Write tuples as the newest draft does, and leave out what asserts nothing."""
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema.pop("items")
        if "additionalItems" in schema:
            schema["items"] = schema["additionalItems"]
    schema.pop("additionalItems", None)
    for keyword, no_effect in _WITHOUT_EFFECT:
        if schema.get(keyword) is no_effect:
            del schema[keyword]


_WITHOUT_EFFECT = (
    *(("uniqueItems", False), ("not", False), ("propertyNames", True)),
    *(("unevaluatedItems", True), ("unevaluatedProperties", True)),
)


def _one_of(schema: Mapping[str, Any], root: Document, path: str) -> Schemas:
    options = schema["oneOf"]
    if len(options) > MAX_ALTERNATIVES:
        raise SchemaError(path, f"a oneOf of {len(options)}, and {MAX_ALTERNATIVES} can be told apart", "use anyOf")
    told_apart: Schemas = []
    for at, option in enumerate(options):
        others = [each for other, each in enumerate(options) if other != at and not are_disjoint(option, each, root)]
        contraries = [negated(each, root) for each in others]
        if None in contraries:
            problem = "alternatives of its oneOf may overlap"
            raise SchemaError(path, problem, "use anyOf, or tell them apart by a required property")
        told_apart.append({"allOf": [option, *({"anyOf": each} for each in contraries)]} if others else option)
    return [{"anyOf": told_apart}]


def _not(schema: Mapping[str, Any], root: Document, path: str) -> Schemas:
    return [{"anyOf": _contrary(schema["not"], root, path, "not")}]


def _if(schema: Mapping[str, Any], root: Document, path: str) -> Schemas:
    if "then" not in schema and "else" not in schema:
        return []
    condition, then, otherwise = schema["if"], schema.get("then", True), schema.get("else", True)
    contrary = _contrary(condition, root, path, "if")
    options = [{"allOf": [condition, then]}, *({"allOf": [each, otherwise]} for each in contrary)]
    return [{"anyOf": options}]


def _contrary(schema: Any, root: Document, path: str, keyword: str) -> Schemas:
    found = negated(schema, root)
    if found is None:
        problem = f"the keyword {keyword!r} is not supported with what it holds"
        raise SchemaError(path, problem, "leave it out, or say it otherwise")
    return found or [False]


def _depending(keyword: str) -> _Say:
    """Return what says of objects with some property what they must satisfy, too."""

    def say(schema: Mapping[str, Any], root: Document, path: str) -> Schemas:
        return [
            {"anyOf": [{"properties": {name: False}}, {"type": "object", "required": [name], "allOf": [needed]}]}
            for name, given in schema[keyword].items()
            if (needed := {"required": given} if isinstance(given, list) else given) is not True
        ]

    return say


def _contains(schema: Mapping[str, Any], root: Document, path: str) -> Schemas:
    """Return an array whose first items, after those that have schemas of their own, are those that it must contain."""
    least, most = schema.get("minContains", 1), schema.get("maxContains")
    prefix, wanted = schema.get("prefixItems", []), schema["contains"]
    if max(least, most or 0) > _MAX_CONTAINED:
        raise SchemaError(path, f"more than {_MAX_CONTAINED} items to contain are not supported", "lower the count")
    if not least and most is None:
        return []
    array: dict[str, Any] = {"type": "array"}
    if least:
        array |= {"minItems": len(prefix) + least, "prefixItems": [*[True] * len(prefix), *[wanted] * least]}
    if most is not None:
        if prefix:
            raise SchemaError(path, "'maxContains' beside 'prefixItems' is not supported", "leave one out")
        array["prefixItems"] = [*array.get("prefixItems", []), *[True] * (most - least)]
        array["items"] = {"anyOf": _contrary(wanted, root, path, "maxContains")}
        if most < least:
            return [{"not": {"type": "array"}}]
    return [{"anyOf": [array, {"type": [each for each in TYPES if each != "array"]}]}]


_MAX_CONTAINED = 64

_SAYINGS: tuple[tuple[str, _Say], ...] = (
    ("oneOf", _one_of),
    ("not", _not),
    ("if", _if),
    *((name, _depending(name)) for name in ("dependentRequired", "dependentSchemas", "dependencies")),
    ("contains", _contains),
    ("propertyNames", named_objects),
    ("uniqueItems", unique_arrays),
    ("unevaluatedProperties", properties_left),
    ("unevaluatedItems", items_left),
)
