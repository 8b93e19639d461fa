"""References by an ``$id`` or an anchor, turned into pointers inside of the schema (hop 3).

Source: JSON Schema 2020-12, core, sections 8.2 (identifiers) and 8.2.3 (references).
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Collection
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.references import target
from jan_ort.structured.json_schema.subschemas import subschemas

_ODD = re.compile(r"[^A-Za-z0-9_/~#$.-]")
"""Characters of a pointer that a URI has to encode, and the matcher does not decode."""
_NAMES = ("$id", "$anchor", "$dynamicAnchor", "$schema")  # what is left is written as the newest draft has it


def point_references(root: dict[str, Any], moved: Collection[str]) -> None:
    """Turn every ``$ref`` of the schema into a pointer from its root, and leave out the names. Raises: SchemaError.

    What they lead to below a keyword of ``moved`` is copied to where it stays.
    """
    places = _Places(root)
    for path, schema in places.schemas:
        if "$dynamicRef" in schema and "$ref" not in schema and places.is_static(schema["$dynamicRef"]):
            schema["$ref"] = schema.pop("$dynamicRef")
        if isinstance(schema.get("$ref"), str):
            schema["$ref"] = places.pointer(path, schema["$ref"])
    for _, schema in places.schemas:
        for name in _NAMES:
            schema.pop(name, None)
    _copy_moved(root, [schema for _, schema in places.schemas if isinstance(schema.get("$ref"), str)], moved)


def _copy_moved(root: dict[str, Any], referring: list[dict[str, Any]], moved: Collection[str]) -> None:
    below = {each["$ref"] for each in referring if {*each["$ref"].split("/")} & {*moved} or _ODD.search(each["$ref"])}
    targets = {reference: target(root, reference) for reference in below}
    names = {reference: f"moved_{at}" for at, (reference, found) in enumerate(targets.items()) if found is not None}
    for schema in referring:
        if schema["$ref"] in names:
            schema["$ref"] = f"#/$defs/{names[schema['$ref']]}"
    if names:
        root.setdefault("$defs", {}).update({name: copy.deepcopy(targets[each]) for each, name in names.items()})


class _Places:
    """What the schemas of a document are called; ``schemas`` are all of them, with their paths."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.schemas: list[tuple[str, dict[str, Any]]] = list(subschemas(root))
        self._root = root
        self._bases: dict[str, str] = {}
        self._resources = {"": ""}
        self._anchors: dict[str, str] = {}
        self._num_dynamic: Counter[str] = Counter()
        for path, schema in self.schemas:
            base = self._base_of(path)
            if isinstance(schema.get("$id"), str):
                base = urldefrag(urljoin(base, schema["$id"])).url
                self._resources.setdefault(base, path)
            self._bases[path] = base
            for keyword in ("$anchor", "$dynamicAnchor"):
                if isinstance(schema.get(keyword), str):
                    self._anchors.setdefault(f"{base}#{schema[keyword]}", path)
                    self._num_dynamic[schema[keyword]] += 1

    def is_static(self, reference: object) -> bool:
        """Whether a dynamic reference leads to the same place from everywhere: no other one has its name."""
        name = str(reference).partition("#")[2]
        return isinstance(reference, str) and (name.startswith("/") or self._num_dynamic[name] < 2)

    def pointer(self, path: str, reference: str) -> str:
        """Return where a reference in the schema at ``path`` leads to. Raises: SchemaError if that is outside."""
        url, fragment = urldefrag(urljoin(self._bases[path], reference))
        if not reference.partition("#")[0]:
            url = self._bases[path]  # which may be no URL that can be joined
        fragment = unquote(fragment or reference.partition("#")[2])
        if url in self._resources and (not fragment or fragment.startswith("/")):
            return f"#{self._resources[url]}{fragment}"
        place = self._anchors.get(f"{url}#{fragment}")
        if place is not None:
            return f"#{place}"
        if url in self._resources or (not url and target(self._root, reference) is not None):
            raise SchemaError(path, f"nothing is called {reference!r}", "name what it leads to with $anchor")
        raise SchemaError(
            path, f"the reference {reference!r} leads out of the schema", "copy what it leads to into $defs"
        )

    def _base_of(self, path: str) -> str:
        while path:
            path = path.rpartition("/")[0]
            if path in self._bases:
                return self._bases[path]
        return ""
