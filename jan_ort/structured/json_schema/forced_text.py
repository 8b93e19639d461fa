"""How long a text a schema may leave no choice about, which is worked out at once (hop 3)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jan_ort.structured.json_schema.ecma_regex import repetitions
from jan_ort.structured.json_schema.references import target
from jan_ort.structured.json_schema.subschemas import subschemas

_AT_LEAST = re.compile(r"\{(\d+),\d*\}")


_MAX_DEPTH = 128


def longest_literal(schema: dict[str, Any]) -> int:
    """Return the length of the longest text that one part of a schema states."""
    return max(_literal(each) for _, each in subschemas(schema))


class _Lengths:
    """How much the parts of a schema force one after another, where there is no choice of spaces between them."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._known: dict[str, float] = {}

    def of(self, schema: Any, depth: int = 0) -> float:
        """Return a number of characters that no forced text exceeds; infinity where the schema may call itself.

        A part that may be left out counts as if it may not.
        """
        if not isinstance(schema, Mapping):
            return 0
        if depth > _MAX_DEPTH:
            return math.inf

        def below(name: str) -> Iterator[float]:
            found = schema.get(name)
            values = found if isinstance(found, list) else found.values() if isinstance(found, Mapping) else ()
            return (self.of(each, depth + 1) for each in values)

        options = max((*below("anyOf"), *below("oneOf")), default=0)
        length = options + sum(sum(below(name)) for name in ("allOf", "prefixItems", "properties", "patternProperties"))
        length += max(1, _count(schema, "minItems")) * self.of(schema.get("items"), depth + 1)
        length += (
            self.of(schema.get("additionalProperties"), depth + 1) + _literal(schema) + sum(map(len, _keys(schema)))
        )
        if "$ref" in schema:
            length += self._of_target(str(schema["$ref"]), depth)
        return length

    def _of_target(self, reference: str, depth: int) -> float:
        if reference not in self._known:
            self._known[reference] = math.inf  # if it is asked for while it is worked out, it calls itself
            self._known[reference] = self.of(target(self._root, reference), depth + 1)
        return self._known[reference]


def forces_much(lark: str, limit: int) -> bool:
    """Whether a grammar of the matcher's language has a schema that may force more than ``limit`` characters."""
    read = json.JSONDecoder().raw_decode
    for found in re.finditer(r"%json\s*(?=\{)", lark):
        try:
            schema, _ = read(lark, found.end())
        except ValueError:  # not where a schema begins, but in a text
            return True
        if _Lengths(schema).of(schema) > limit:
            return True
    return False


def _literal(schema: Mapping[str, Any]) -> int:
    """Return the length of the longest text that it states itself; a pattern may stand beside a length in another."""
    values = [schema["const"]] if "const" in schema else schema.get("enum", ())
    longest = max((len(json.dumps(value)) for value in values), default=0)
    named = (schema.get("pattern"), *schema.get("patternProperties", ()))
    for pattern in [_AT_LEAST.sub(r"{\1}", each) for each in named if isinstance(each, str)]:
        longest = max(longest, max(len(pattern), _count(schema, "minLength")) * repetitions(pattern))
    return max(longest, _count(schema, "minLength"), *map(len, _keys(schema)))


def _keys(schema: Mapping[str, Any]) -> list[str]:
    """Return what it calls its properties, as JSON writes it."""
    names = {*schema.get("properties", ()), *schema.get("required", ())}
    return ["", *(json.dumps(name) + "  , " for name in names)]


def _count(schema: Mapping[str, Any], name: str) -> int:
    found = schema.get(name)
    return int(found) if isinstance(found, (int, float)) else 0
