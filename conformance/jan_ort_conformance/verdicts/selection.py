"""Which checks of a kit a run has, by level and pattern, and what each promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any, Protocol, TypeVar

from jan_ort_conformance.verdicts.verdict import Level


class PatternError(ValueError):
    """Raised when a pattern of --only matches no case of a run; the message names what it may have meant."""


class Selectable(Protocol):
    """A check of either kit."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def level(self) -> Level:
        """The level from which on it is asked."""

    @property
    def run(self) -> Callable[..., Any]:
        """The function that asks."""


Entry = TypeVar("Entry", bound=Selectable)


def chosen(entries: Iterable[Entry], level: Level, patterns: Sequence[str] = ()) -> list[Entry]:
    """Return the checks of ``level`` and below whose id matches one of the patterns (``fnmatch``), or all for none."""
    return [
        entry
        for entry in entries
        if level.includes(entry.level) and (not patterns or any(fnmatchcase(entry.id, each) for each in patterns))
    ]


def in_order(entries: Iterable[Entry], modules: Sequence[ModuleType]) -> list[Entry]:
    """Return the checks module by module, those of each as they are defined there."""
    known = list(entries)
    return [entry for module in modules for entry in known if entry.run.__module__ == module.__name__]


def unmatched(ids: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """Return the patterns that no id matches."""
    known = list(ids)
    return [pattern for pattern in patterns if not any(fnmatchcase(each, pattern) for each in known)]


def require_matches(patterns: Iterable[str], of_the_run: Iterable[str], of_the_kit: Iterable[str]) -> None:
    """Hold that each pattern matches a case id of the run; the kit's ids say why not. Raises: PatternError."""
    known = list(of_the_kit)
    for pattern in unmatched(of_the_run, patterns):
        others = [each for each in known if fnmatchcase(each, pattern)]
        if others:
            raise PatternError(
                f"{pattern!r} matches only what other options, such as --level, leave out: {_few(others)}"
            )
        themes = list(dict.fromkeys(f"{each.partition('.')[0]}.*" for each in known))
        close = get_close_matches(pattern, [*known, *themes])
        told = f"did you mean {_few(close)}?" if close else f"there are: {', '.join(themes)}"
        raise PatternError(f"no case matches {pattern!r}; {told}")


def _few(ids: Sequence[str], count: int = 3) -> str:
    return ", ".join(ids[:count]) + (", …" if len(ids) > count else "")


def promise_of(function: Callable[..., Any]) -> str:
    """Return the first line of a check's docstring: what its subject owes, in one sentence."""
    return (function.__doc__ or "").strip().partition("\n")[0]
