"""Which checks of a kit a run has, by level and pattern, and what each promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Protocol, TypeVar

from jan_ort_conformance.results import Level


class Selectable(Protocol):
    """A check of either kit."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def level(self) -> Level:
        """The level from which on it is asked."""


Entry = TypeVar("Entry", bound=Selectable)


def chosen(entries: Iterable[Entry], level: Level, patterns: Sequence[str] = ()) -> list[Entry]:
    """Return the checks of ``level`` and below whose id matches one of the patterns (``fnmatch``), or all for none."""
    return [
        entry
        for entry in entries
        if level.includes(entry.level) and (not patterns or any(fnmatchcase(entry.id, each) for each in patterns))
    ]


def unmatched(ids: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """Return the patterns that no id matches."""
    known = list(ids)
    return [pattern for pattern in patterns if not any(fnmatchcase(each, pattern) for each in known)]


def promise_of(function: Callable[..., Any]) -> str:
    """Return the first line of a check's docstring: what its subject owes, in one sentence."""
    return (function.__doc__ or "").strip().partition("\n")[0]
