"""Schemas without an end: whose values hold one another, or that ask only for themselves (hop 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.references import target
from jan_ort.structured.json_schema.subschemas import subschemas

_FOR_THE_SAME_VALUE = ("not", "if", "then", "else")
_ALL_FOR_THE_SAME_VALUE = ("allOf", "anyOf", "oneOf")
_NAMED_FOR_THE_SAME_VALUE = ("dependentSchemas", "dependencies")
_MAX_PASSES = 16
"""Passes over all schemas; each but the last finds one that ends, and two are enough for a chain of them."""
_MAX_VISITS = 200_000
"""Parts of schemas that are looked at, a microsecond each."""

_NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
_ALL = frozenset({*_NAMES.values(), "null"})

_Parts = Sequence[Mapping[str, Any]]


def leave_out_endless(root: dict[str, Any]) -> None:
    """Let nothing satisfy those schemas whose every value holds another one without end; in doubt, some value ends.

    Else a text may begin with an optional member, or one of several alternatives, that never ends.
    Raises: SchemaError for the whole.
    """
    endless = _Endings(root).missing()
    if any(schema is root for schema in endless):
        raise SchemaError("", "it allows no value: each holds another without end", "let one of them be left out")
    for schema in endless:  # whose parts others may refer to
        schema.pop("$ref", None)
        schema["enum"] = []


class _Endings:
    """Finds the schemas of which some value ends: it need hold only values that end."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._schemas = [schema for _, schema in subschemas(root)]
        self._open = set(map(id, self._schemas))  # those of which no value is known that ends
        self._num_left = _MAX_VISITS

    def missing(self) -> list[dict[str, Any]]:
        """Return the schemas of which no value ends."""
        for _ in range(_MAX_PASSES):
            num_before = len(self._open)
            self._schemas.reverse()  # from the inside, and then from where references lead
            for each in self._schemas:
                if id(each) in self._open and self._types(self._parts(each)):
                    self._open.discard(id(each))
            if len(self._open) == num_before:
                return [each for each in self._schemas if id(each) in self._open]
        return []

    def _parts(self, schema: Any) -> list[Mapping[str, Any]]:
        """Return the schemas that a value must satisfy together, by ``allOf`` and ``$ref``."""
        parts: dict[int, Mapping[str, Any]] = {}
        pending = [schema]
        while pending:
            each = pending.pop()
            if isinstance(each, Mapping) and id(each) not in parts:
                parts[id(each)] = each
                pending += each.get("allOf", ())
                pending += [target(self._root, each["$ref"])] if "$ref" in each else []
        return list(parts.values())

    def _types(self, parts: _Parts) -> frozenset[str]:
        """Return the types of values that may end and satisfy all parts."""
        types = self._plain_types(parts)
        for part in parts:
            for options in filter(None, (part.get("anyOf"), part.get("oneOf"))):
                types &= frozenset[str]().union(*(self._option_types(each, parts) for each in options))
        return types

    def _option_types(self, option: Any, parts: _Parts) -> frozenset[str]:
        return self._plain_types([*parts, *self._parts(option)]) if self._ends(option) else frozenset()

    def _plain_types(self, parts: _Parts) -> frozenset[str]:
        """Return the same, whatever the parts' alternatives say."""
        self._num_left -= len(parts)
        if self._num_left < 0:
            return _ALL
        types = _ALL.intersection(*map(_types_of, parts))
        held = {"object": _members(parts), "array": _items(parts)}
        types -= {kind for kind, schemas in held.items() if not all(map(self._ends, schemas))}
        return types if all(map(self._may_hold_some, parts)) else types - {"object"}

    def _may_hold_some(self, part: Mapping[str, Any]) -> bool:
        """Whether an object may have a member, if it must have one."""
        if not part.get("minProperties"):
            return True
        named = [*part.get("properties", {}).values(), *part.get("patternProperties", {}).values()]
        return any(map(self._ends, [*named, part.get("additionalProperties", True)]))

    def _ends(self, schema: Any) -> bool:
        """Whether some value of it is known to end."""
        return schema is not False and id(schema) not in self._open


def _types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the types that the schema names; all where it names none, or what others will refuse."""
    for values in ([schema["const"]] if "const" in schema else None, schema.get("enum")):
        if values:
            return frozenset(_NAMES.get(type(value), "null") for value in values)
    named = schema.get("type", [])
    names = ["number" if name == "integer" else name for name in ([named] if isinstance(named, str) else named)]
    return _ALL.intersection(names) or _ALL


def _members(parts: _Parts) -> Iterator[Any]:
    """Yield schemas of what every object must hold."""
    for name in {name for part in parts for name in part.get("required", ())}:
        for part in parts:
            properties = part.get("properties", {})
            if name in properties:
                yield properties[name]
            elif not part.get("patternProperties"):
                yield part.get("additionalProperties", True)


def _items(parts: _Parts) -> Iterator[Any]:
    """Yield schemas of what every array must hold."""
    least = max((part.get("minItems", 0) for part in parts), default=0)
    for part in parts:
        first = part.get("prefixItems", [])
        yield from first[:least]
        if least > len(first):
            yield part.get("items", True)


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
