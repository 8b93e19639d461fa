"""Where a ``$ref`` leads to inside of its own schema (hop 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def target(root: Mapping[str, Any], reference: str) -> Any:
    """Return what a reference that begins with # names, None if there is nothing."""
    found: Any = root
    for name in reference.removeprefix("#").split("/")[1:]:
        unescaped = name.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and unescaped.isdecimal() and int(unescaped) < len(found):
            found = found[int(unescaped)]
        else:
            found = found.get(unescaped) if isinstance(found, Mapping) else None
    return found
