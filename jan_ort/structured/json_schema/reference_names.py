"""References by an ``$id`` or an anchor, turned into pointers inside of the schema (hop 3).

Source: JSON Schema 2020-12, core, sections 8.2 (identifiers) and 8.2.3 (references).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable
from itertools import count
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.keyword_shapes import check_shapes, leave_out_nulls
from jan_ort.structured.json_schema.references import target
from jan_ort.structured.json_schema.rewriting import bring_up_to_date
from jan_ort.structured.json_schema.subschemas import shown, subschemas

_ODD = re.compile(r"[^A-Za-z0-9_/~#$.-]")
"""Characters of a pointer that a URI has to encode, and the matcher does not decode."""
MAX_COPIED = 2**20
"""Characters of schemas that are copied to where a reference may lead: of nested ones each is."""
_NAMES = ("$id", "$anchor", "$dynamicAnchor", "$schema")  # what is left is written as the newest draft has it


def point_references(root: dict[str, Any], moved: Collection[str]) -> None:
    """Turn every ``$ref`` of the schema into a pointer from its root, and leave out the names. Raises: SchemaError.

    What they lead to below a keyword of ``moved``, or where no schema is looked for, is copied to where it stays.
    """
    places = _Places(root)
    for path, schema in places.schemas:  # to which is added what is taken in
        if "$dynamicRef" in schema and "$ref" not in schema and places.is_static(schema["$dynamicRef"]):
            schema["$ref"] = schema.pop("$dynamicRef")
        if isinstance(schema.get("$ref"), str):
            schema["$ref"] = places.taken_in(places.pointer(path, schema["$ref"]))
    for _, schema in places.schemas:
        for name in _NAMES:
            schema.pop(name, None)
    _copy_moved(root, [schema for _, schema in places.schemas if isinstance(schema.get("$ref"), str)], moved)


def _copy_moved(root: dict[str, Any], referring: list[dict[str, Any]], moved: Collection[str]) -> None:
    below = {each["$ref"] for each in referring if {*each["$ref"].split("/")} & {*moved} or _ODD.search(each["$ref"])}
    targets = {reference: target(root, reference) for reference in below}
    copies = _Copies(root)
    names = {reference: copies.add(found) for reference, found in targets.items() if found is not None}
    for schema in referring:
        schema["$ref"] = names.get(schema["$ref"], schema["$ref"])


class _Copies:
    """Parts of a document that are copied into its ``$defs``, each under a name that is free."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._num_left = MAX_COPIED
        self._numbers = count()

    def add(self, part: Any) -> str:
        """Copy a part, and return a reference to the copy. Raises: SchemaError if it is all too much."""
        text = json.dumps(part)
        self._num_left -= len(text)
        if self._num_left < 0:
            problem = f"its references lead to more than {MAX_COPIED} characters that have to be copied"
            raise SchemaError("", problem, "move what they lead to into $defs")
        shared = self._root.setdefault("$defs", {})
        name = next(name for number in self._numbers if (name := f"moved_{number}") not in shared)
        shared[name] = json.loads(text)
        return f"#/$defs/{name}"


class _Places:
    """What the schemas of a document are called; ``schemas`` are all of them, with their paths."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.schemas: list[tuple[str, dict[str, Any]]] = list(subschemas(root))
        self._root = root
        self._bases: dict[str, str] = {}
        self._resources = {"": ""}
        self._anchors: dict[str, str] = {}
        self._num_dynamic: Counter[str] = Counter()
        self._copies, self._taken_in = _Copies(root), dict[int, str]()
        self._known = {id(schema) for _, schema in self.schemas}
        self._note(self.schemas)

    def _note(self, schemas: Iterable[tuple[str, dict[str, Any]]]) -> None:
        for path, schema in schemas:
            base = self._base_of(path)
            if isinstance(schema.get("$id"), str):
                base, _ = _joined(path, base, schema["$id"])
                self._resources.setdefault(base, path)
            self._bases[path] = base
            for keyword in ("$anchor", "$dynamicAnchor"):
                if isinstance(schema.get(keyword), str):
                    self._anchors.setdefault(f"{base}#{schema[keyword]}", path)
                    self._num_dynamic[schema[keyword]] += 1

    def taken_in(self, pointer: str) -> str:
        """Return the pointer, or one to a copy of what is there that has been checked, if that was no schema's place.

        Raises: SchemaError.
        """
        found = target(self._root, pointer)
        if not isinstance(found, dict) or id(found) in self._known:
            return pointer
        if id(found) not in self._taken_in:
            self._taken_in[id(found)] = reference = self._copies.add(found)
            schemas = []
            for path, schema in subschemas(target(self._root, reference), pointer.removeprefix("#")):
                leave_out_nulls(schema)
                check_shapes(path, schema)
                bring_up_to_date(schema)
                schemas.append((path, schema))
            self._known.update(id(schema) for _, schema in schemas)
            self.schemas += schemas
            self._note(schemas)
        return self._taken_in[id(found)]

    def is_static(self, reference: object) -> bool:
        """Whether a dynamic reference leads to the same place from everywhere: no other one has its name."""
        name = str(reference).partition("#")[2]
        return isinstance(reference, str) and (name.startswith("/") or self._num_dynamic[name] < 2)

    def pointer(self, path: str, reference: str) -> str:
        """Return where a reference in the schema at ``path`` leads to. Raises: SchemaError if that is outside."""
        url, fragment = _joined(path, self._bases[path], reference)
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


def _joined(path: str, base: str, reference: str) -> tuple[str, str]:
    """Return what a reference names, and its fragment. Raises: SchemaError for one that is none."""
    try:
        url, fragment = urldefrag(urljoin(base, reference))
    except ValueError as error:
        raise SchemaError(path, f"{shown(reference)} is not a reference: {error}", "write it as a URI") from error
    return url, fragment
