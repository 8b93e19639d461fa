"""Apply an OpenAPI Overlay 1.0 document: the update and remove actions, addressed by a subset of JSONPath.

Source: OpenAPI Overlay Specification 1.0.0, section 4; RFC 9535 for the paths.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

_SEGMENT = re.compile(
    r"\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)"  # .paths
    r"|\['(?P<quoted>[^'\\]*)'\]"  # ['/v1/models']
    r"|\[(?P<index>\d+)\]"  # [1]
    r"|(?P<wildcard>\.\*|\[\*\])"  # .*
)

Key = str | int | None
"""A step of a path: a member's name, an index, or None for every child."""


class OverlayError(Exception):
    """Raised when the overlay cannot be applied to the document."""


def apply_overlay(document: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of ``document`` with every action of ``overlay`` applied in order.

    Stricter than the specification in one point: a target that selects nothing is an error, since a later edition of
    the document would otherwise lose an addition silently.

    Raises: OverlayError for another version, a malformed action, or a target that selects nothing or a primitive.
    """
    if overlay.get("overlay") != "1.0.0":
        raise OverlayError(f"the overlay's version is {overlay.get('overlay')!r}; write 1.0.0")
    result = copy.deepcopy(document)
    for action in overlay.get("actions", []):
        _apply_action(result, action)
    return result


def _apply_action(document: dict[str, Any], action: dict[str, Any]) -> None:
    target = action.get("target")
    removes = action.get("remove") is True
    if not isinstance(target, str) or removes == ("update" in action):
        raise OverlayError(f"an action needs a target and either an update or remove: true, not {sorted(action)}")
    places = list(_select({"$": document}, "$", _parse_path(target)))
    if not places or (removes and target == "$"):
        raise OverlayError(f"the target {target} selects nothing that can be changed; correct the path")
    for parent, key in reversed(places):  # backwards, so that removing an array's entry moves none still to come
        if removes:
            del parent[key]
        else:
            _update(parent[key], copy.deepcopy(action["update"]), target)


def _parse_path(target: str) -> list[Key]:
    keys: list[Key] = []
    position = 1
    while target.startswith("$") and position < len(target):
        match = _SEGMENT.match(target, position)
        if match is None:
            break
        position = match.end()
        name = match["name"] if match["name"] is not None else match["quoted"]
        keys.append(int(match["index"]) if match["index"] is not None else name)
    if position != len(target) or not target.startswith("$"):
        raise OverlayError(f"cannot read the target {target!r}: use $, .name, ['name'], [0] and .*")
    return keys


def _select(parent: Any, key: str | int, keys: list[Key]) -> Iterator[tuple[Any, str | int]]:
    """Yield (container, key) of every node that ``keys`` select below ``parent[key]``."""
    if not keys:
        yield parent, key
        return
    node = parent[key]
    for child in _children(node, keys[0]):
        yield from _select(node, child, keys[1:])


def _children(node: Any, key: Key) -> list[str | int]:
    if isinstance(node, dict):
        return list(node) if key is None else [key] if key in node else []
    if isinstance(node, list):
        indices = range(len(node))
        return list(indices) if key is None else [key] if isinstance(key, int) and key in indices else []
    return []


def _update(node: Any, update: Any, target: str) -> None:
    if isinstance(node, list):
        node.append(update)
    elif isinstance(node, dict) and isinstance(update, dict):
        _merge(node, update, target)
    else:
        raise OverlayError(f"the target {target} selects a primitive, or an object that the update does not match")


def _merge(node: dict[str, Any], update: dict[str, Any], path: str) -> None:
    """Merge in place: objects recursively, arrays by concatenation, primitives by replacement."""
    for name, value in update.items():
        old = node.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value, f"{path}.{name}")
        elif isinstance(old, list) and isinstance(value, list):
            old.extend(value)
        elif isinstance(old, dict | list) or (name in node and isinstance(value, dict | list)):
            raise OverlayError(f"{path}.{name} is of another type than its update; remove it first")
        else:
            node[name] = value
