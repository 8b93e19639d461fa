"""How many patterns one text has to match at once: the matcher's work doubles with each of them (hop 3).

With 16 it takes a third of a second, with 24 it does not end, and cannot be stopped. From some six on it mostly refuses
them by itself, so that a bound costs nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.references import Document, Steps

MAX_MEETING = 12
"""Patterns and formats of one text."""

_ANY = ""
"""The step to what has no name or place of its own: ``additionalProperties``, ``items`` and their like."""

Schemas = list[dict[str, Any]]


def check_meeting_patterns(root: dict[str, Any]) -> None:
    """Raises: SchemaError where more patterns than MAX_MEETING hold for one text, by ``allOf`` and ``$ref``."""
    meeting = _Meeting(root)
    pending: list[Schemas] = [[root]]
    seen: set[frozenset[int]] = set()
    while pending:
        group = [meeting.followed(schema) for schema in pending.pop()]
        key = frozenset(map(id, group))
        if key in seen:
            continue
        seen.add(key)
        count = meeting.count(group)
        if count > MAX_MEETING:
            told = f"{count} patterns or formats hold for one text, but only {MAX_MEETING} are allowed"
            raise SchemaError("", told, "say it in fewer patterns")
        for place in meeting.places(group):
            pending += _below(place)


class _Meeting:
    """What holds for the same value, in a schema whose references may branch and come back to themselves."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._document = Document(root, Steps())
        self._counts: dict[int, int] = {}

    def followed(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return what a reference alone leads to, so that it is looked at once however often it is used."""
        seen: set[int] = set()
        while schema.keys() == {"$ref"} and id(schema) not in seen:
            seen.add(id(schema))
            found = self._document.target(schema["$ref"])
            schema = found if isinstance(found, dict) else {}
        return schema

    def flat(self, group: Schemas) -> tuple[Schemas, list[Schemas]]:
        """Return all schemas that hold where these do, and the choices among them."""
        plain: dict[int, dict[str, Any]] = {}
        choices: list[Schemas] = []
        pending: list[Any] = list(group)
        while pending:
            schema = pending.pop()
            if not isinstance(schema, dict) or id(schema) in plain:
                continue
            self._document.steps.take()
            plain[id(schema)] = schema
            pending += schema.get("allOf", ())
            if isinstance(schema.get("$ref"), str):
                pending.append(self._document.target(schema["$ref"]))
            for name in ("anyOf", "oneOf"):
                branches = [each for each in schema.get(name, ()) if isinstance(each, dict)]
                choices += [branches] if branches else []
        return list(plain.values()), choices

    def count(self, group: Schemas) -> int:
        """Return how many patterns hold for one text: of each choice the branch that has most."""
        plain, choices = self.flat(group)
        return _patterns(plain) + sum(max(map(self._count_of, branches)) for branches in choices)

    def _count_of(self, schema: dict[str, Any]) -> int:
        """Return the count of one schema, of the branches below it first, without calling itself."""
        pending = [(schema, False)]
        while pending:
            each, is_below_counted = pending.pop()
            if id(each) in self._counts and not is_below_counted:
                continue
            plain, choices = self.flat([each])
            if is_below_counted:
                most = (max(self._counts[id(branch)] for branch in branches) for branches in choices)
                self._counts[id(each)] = _patterns(plain) + sum(most)
            else:
                self._counts[id(each)] = 0  # where it comes back to itself
                pending.append((each, True))
                pending += [(branch, False) for branches in choices for branch in branches]
        return self._counts[id(schema)]

    def places(self, group: Schemas) -> Iterator[Schemas]:
        """Yield what holds at once and has something inside: one branch of an only choice, of several everything."""
        pending: list[tuple[Schemas, Schemas]] = [([], group)]
        seen: set[int] = set()
        while pending:
            above, group = pending.pop()
            plain, choices = self.flat(group)
            inside = [*above, *filter(_has_children, plain)]
            self._document.steps.take(len(inside))
            branches = [branch for each in choices for branch in each if id(branch) not in seen]
            seen |= set(map(id, branches))
            if len(choices) > 1 and branches:
                pending.append((inside, branches))
            elif branches:
                pending += [(inside, [branch]) for branch in branches]
            yield inside


def _patterns(schemas: Schemas) -> int:
    return sum(keyword in schema for schema in schemas for keyword in ("pattern", "format"))


def _has_children(schema: dict[str, Any]) -> bool:
    return any(isinstance(child, dict) for _, child in _children(schema))


def _below(place: Schemas) -> Iterator[Schemas]:
    """Yield the schemas of each value inside of one that all of ``place`` hold for."""
    found: dict[tuple[str, object], Schemas] = defaultdict(list)
    for schema in place:
        for step, child in _children(schema):
            if isinstance(child, dict):
                found[step].append(child)
    for (kind, name), children in found.items():
        yield children if name == _ANY else [*children, *found.get((kind, _ANY), ())]


def _children(schema: dict[str, Any]) -> Iterator[tuple[tuple[str, object], Any]]:
    for name, child in schema.get("properties", {}).items():
        yield ("name", f"={name}"), child
    for child in (*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")):
        yield ("name", _ANY), child
    for place, child in enumerate(schema.get("prefixItems", ())):
        yield ("place", place), child
    yield ("place", _ANY), schema.get("items")
    for child in schema.get("$defs", {}).values():
        yield ("defined", id(child)), child
