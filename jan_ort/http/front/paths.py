"""Which path of the API a client means that spells it otherwise (hop 1).

Clients join a base URL and a path by hand: a slash too many, or one ``/v1`` too many or too few. What is meant is
served, but for what changes the server: a proxy's rules may keep others from that by its path.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from jan_ort.ground.shown_text import quoted
from jan_ort_openapi import operations

_API = "/v1"
_MODELS = "/v1/models/"

POLLED = frozenset({"/health", "/livez", "/readyz", "/metrics"})
"""What is asked again and again by machines."""

_PAGES = frozenset({"/", "/docs", "/status"})
"""Where pages are: their relative addresses lead elsewhere below any other spelling."""

SERVED = frozenset({"/openapi.json", *_PAGES, *POLLED, *(each.path for each in operations() if "{" not in each.path)})
"""Every path that is served, but for those with a model's name."""

_NAMED = sorted(SERVED - {"/"})
_MAX_LIKELY = 4
"""Paths that a client is told at most in place of one that there is not."""

_LENIENT = SERVED - _PAGES - {each.path for each in operations() if each.changes_server}

MIN_ID_LENGTH = 8
"""Shorter ones are no ids, but operations that others have, as ``compact``."""

_WITH_IDS = re.compile(
    "|".join(
        re.sub(r"\\{\w+\\}", f"[^/]{{{MIN_ID_LENGTH},}}", re.escape(each.path))
        for each in operations()
        if "{" in each.path and not each.path.startswith(_MODELS)
    )
)
"""Paths with an id, which has no slash; a model's name may have some."""

_OTHER_NAMES = {"/v2/rerank": "/v1/rerank"}
"""What other servers call a path: Cohere's newer client asks there for the same."""


def meant_path(path: str) -> str:
    """Return the path that is served and meant by this one; one that means none, or is right, as it is."""
    if path in SERVED or path.startswith("//"):
        return path
    if path.startswith(_MODELS) and not path.startswith(f"{_MODELS}/"):
        return path.rstrip("/")
    return next((each for each in _spellings(path) if each in _LENIENT or _WITH_IDS.fullmatch(each)), path)


def is_served(path: str) -> bool:
    """Whether there is something at this path."""
    return path in SERVED or path.startswith(_MODELS) or _WITH_IDS.fullmatch(path) is not None


def not_found(path: str, *, asked: str | None = None, root_path: str = "") -> str:
    """Return what a client is told of a path at which nothing is served, with those that it may mean.

    ``asked`` is the path as it spelt it, with ``root_path``, which those that it is told have.
    """
    right = next((each for each in _spellings(path) if is_served(each)), None)
    near = [f"{root_path}{quoted(each, 200)}" for each in ([right] if right else _likely(path))]
    hint = f"; it is {near[0]}" if right else f"; is it {' or '.join(near)}?" if near else ""
    return f"there is nothing at {quoted(asked or path, 200)}{hint or f'; {root_path}/openapi.json lists every path'}"


def _likely(path: str) -> list[str]:
    """Return the served paths that end like this one, that it begins or ends, or that begin it; else a similar one."""
    single, with_api, without_api = _spellings(path)
    if not single:
        return []
    steps = [
        [each for each in _NAMED if single.endswith((each, each.removeprefix(_API)))],
        [each for each in _NAMED if each.startswith(f"{single}/")],
        [each for each in _NAMED if each.startswith(f"{with_api}/")],
        [each for each in _NAMED if each.endswith((single, without_api or single))],
        [each for each in _NAMED if single.startswith(f"{each}/")],
    ]
    found = [max(steps[0], key=len)] if steps[0] else list(dict.fromkeys(each for step in steps for each in step))
    return found[:_MAX_LIKELY] or get_close_matches(single, _NAMED, 1, 0.75)


def _spellings(path: str) -> list[str]:
    """Return a path as it may be meant: without slashes too many, and with or without the API's prefix."""
    single = re.sub("//+", "/", path).rstrip("/")
    spelled = single, _API + single, single.removeprefix(_API)
    return [_OTHER_NAMES.get(each, each) for each in spelled]
