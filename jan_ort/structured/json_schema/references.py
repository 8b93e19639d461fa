"""Where a ``$ref`` leads to inside of its own schema, and how much may be asked of a schema (hop 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError

MAX_STEPS = 250_000
"""Steps, some microseconds each, that the schemas of a request may take to be said in other words."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
"""A place in an array. Source: RFC 6901, section 4: no zeros in front, or one place had any number of names."""


def target(root: Mapping[str, Any], reference: str) -> Any:
    """Return what a reference that begins with # names, None if there is nothing."""
    found: Any = root
    for name in reference.removeprefix("#").split("/")[1:]:
        unescaped = name.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and _INDEX.fullmatch(unescaped) and int(unescaped) < len(found):
            found = found[int(unescaped)]
        else:
            found = found.get(unescaped) if isinstance(found, Mapping) else None
    return found


class Steps:
    """What is left of the steps of a request: references branch, so that a short schema may ask for any number."""

    def __init__(self) -> None:
        self._num_left = MAX_STEPS

    def take(self, number: int = 1) -> None:
        """Take as many. Raises: SchemaError when none is left."""
        self._num_left -= number
        if self._num_left < 0:
            raise SchemaError("", f"it takes more than {MAX_STEPS} steps to read", "use fewer choices and references")


class Document:
    """A whole schema, as those who read a part of it ask for others."""

    def __init__(self, root: Mapping[str, Any], steps: Steps) -> None:
        self._root = root
        self._targets: dict[str, Any] = {}
        self.steps = steps

    def target(self, reference: str) -> Any:
        """Return what a reference that begins with # names, None if there is nothing."""
        if reference not in self._targets:
            self._targets[reference] = target(self._root, reference)
        return self._targets[reference]
