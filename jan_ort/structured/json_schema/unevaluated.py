"""What ``unevaluatedProperties`` and ``unevaluatedItems`` are about, where it shows which schemas apply (hop 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.negation import Schemas, negated
from jan_ort.structured.json_schema.references import Document

MAX_CASES = 64
"""Ways in which the alternatives of a schema can apply."""
_MAX_DEPTH = 8


@dataclass(frozen=True)
class _Case:
    """One way in which a schema applies: what an instance satisfies then, and what of it is evaluated."""

    conditions: tuple[Any, ...] = ()
    names: frozenset[str] = frozenset()
    patterns: frozenset[str] = frozenset()
    num_items: int = 0
    contained: tuple[Any, ...] = ()
    has_all_properties: bool = False
    has_all_items: bool = False

    @property
    def size(self) -> int:
        """How much there is of it."""
        return 1 + len(self.conditions) + len(self.names) + len(self.patterns) + len(self.contained)

    def joined(self, other: _Case) -> _Case:
        """Return the case in which both are."""
        return _Case(
            self.conditions + other.conditions,
            self.names | other.names,
            self.patterns | other.patterns,
            max(self.num_items, other.num_items),
            self.contained + other.contained,
            self.has_all_properties or other.has_all_properties,
            self.has_all_items or other.has_all_items,
        )


def properties_left(schema: Mapping[str, Any], root: Document, path: str) -> Schemas:
    """Return schemas by which each property that no other one speaks of satisfies ``unevaluatedProperties``."""
    left = schema["unevaluatedProperties"]

    def closed(case: _Case) -> Any:
        if case.has_all_properties:
            return True
        named = {"properties": dict.fromkeys(sorted(case.names), True)} if case.names else {}
        matched = {"patternProperties": dict.fromkeys(sorted(case.patterns), True)} if case.patterns else {}
        return {**named, **matched, "additionalProperties": left}

    own = {key: value for key, value in schema.items() if key != "unevaluatedProperties"}
    return _by_cases([*_cases(own, root, path, 0)], closed, path)


def items_left(schema: Mapping[str, Any], root: Document, path: str) -> Schemas:
    """Return schemas by which each item that no other one speaks of satisfies ``unevaluatedItems``."""
    left = schema["unevaluatedItems"]

    def closed(case: _Case) -> Any:
        if case.has_all_items:
            return True
        items = {"anyOf": [left, *case.contained]} if case.contained else left
        return {"prefixItems": [True] * case.num_items, "items": items} if case.num_items else {"items": items}

    own = {key: value for key, value in schema.items() if key != "unevaluatedItems"}
    return _by_cases([*_cases(own, root, path, 0)], closed, path)


def _by_cases(cases: list[_Case], closed: Any, path: str) -> Schemas:
    options = [{"allOf": [*case.conditions, closed(case)]} for case in cases]
    return [{"anyOf": options}] if len(options) > 1 else [closed(cases[0])]


def _cases(schema: Any, root: Document, path: str, depth: int) -> list[_Case]:
    """Return the ways in which a schema applies. A case may leave out what is evaluated, and is narrower then."""
    root.steps.take()
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return [_Case()]
    found = [_own(schema)]
    root.steps.take(found[0].size)
    for options in _applied(schema, root, path, depth + 1):
        found = [one.joined(other) for one, other in product(found, options)]
        root.steps.take(sum(each.size for each in found))
        if len(found) > MAX_CASES:
            raise SchemaError(path, f"its alternatives apply in more than {MAX_CASES} ways", "use fewer of them")
    return found


def _own(schema: Mapping[str, Any]) -> _Case:
    prefix = schema.get("prefixItems", [])
    return _Case(
        names=frozenset(schema.get("properties", ())),
        patterns=frozenset(schema.get("patternProperties", ())),
        num_items=len(prefix) if isinstance(prefix, list) else 0,
        contained=(schema["contains"],) if "contains" in schema else (),
        has_all_properties="additionalProperties" in schema or "unevaluatedProperties" in schema,
        has_all_items="items" in schema or "unevaluatedItems" in schema,
    )


def _applied(schema: Mapping[str, Any], root: Document, path: str, depth: int) -> Iterator[list[_Case]]:
    """Yield the cases of each schema that applies to the same instance."""
    for each in schema.get("allOf", ()):
        yield _cases(each, root, path, depth)
    if isinstance(schema.get("$ref"), str):
        yield _cases(root.target(schema["$ref"]), root, path, depth)
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword):
            yield [case for each in schema[keyword] for case in _if_true(each, root, path, depth)]
    if "if" in schema:
        contrary = negated(schema["if"], root)
        if contrary is None:
            raise SchemaError(path, "the keyword 'if' is not supported with what it holds", "say it otherwise")
        then = [
            one.joined(other)
            for one in _if_true(schema["if"], root, path, depth)
            for other in _if_true(schema.get("then", True), root, path, depth)
        ]
        otherwise = _if_true(schema.get("else", True), root, path, depth)
        yield [*then, *(_Case(conditions=({"anyOf": contrary or [False]},)).joined(each) for each in otherwise)]
    for name, each in schema.get("dependentSchemas", {}).items():
        present = _Case(conditions=({"type": "object", "required": [name]},))
        absent = _Case(conditions=({"properties": {name: False}},))
        yield [absent, *(present.joined(case) for case in _if_true(each, root, path, depth))]


def _if_true(schema: Any, root: Document, path: str, depth: int) -> list[_Case]:
    """Return the cases in which an instance satisfies a schema."""
    return [_Case(conditions=(schema,)).joined(case) for case in _cases(schema, root, path, depth)]
