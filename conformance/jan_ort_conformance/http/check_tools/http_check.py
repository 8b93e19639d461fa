"""A check of the HTTP kit, and the ways to register one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, update_wrapper

from jan_ort_conformance.http.check_tools.asker import GENERATING, NAMES, Asker
from jan_ort_conformance.http.check_tools.profile import BASE, Profile
from jan_ort_conformance.verdicts.selection import promise_of
from jan_ort_conformance.verdicts.verdict import Level

CheckFunction = Callable[[Asker], None]
PathCheck = Callable[[str, Asker], None]


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """One check.

    ``needs`` are operations ("/v1/embeddings") and fields ("/v1/completions suffix") that must be declared for it to
    be judged; ``optional`` is the field by whose name a model may refuse what only some models can; ``fields`` are the
    request fields that it detects when they are ignored.
    """

    id: str
    run: CheckFunction
    level: Level
    needs: tuple[str, ...]
    optional: str | None
    fields: tuple[str, ...]
    needs_key: bool

    @property
    def promise(self) -> str:
        """What the server should do, in one sentence."""
        return promise_of(self.run)

    @property
    def profile(self) -> str:
        """The name of the profile that its file is."""
        told: Profile | None = getattr(sys.modules[self.run.__module__], "PROFILE", None)
        return BASE if told is None else told.name


CHECKS: dict[str, HttpCheck] = {}
"""Every check that was registered, by its id; http.checks imports them all."""


def check(
    check_id: str,
    *,
    level: Level = Level.FULL,
    needs: Iterable[str] = (),
    optional: str | None = None,
    fields: Iterable[str] = (),
    detects: Iterable[str] = (),
    needs_key: bool = False,
) -> Callable[[CheckFunction], CheckFunction]:
    """Register a function as the check ``check_id``; see HttpCheck. ``detects`` are both needs and fields."""
    both = tuple(detects)

    def register(function: CheckFunction) -> CheckFunction:
        add(HttpCheck(check_id, function, level, (*needs, *both), optional, (*fields, *both), needs_key))
        return function

    return register


def add(entry: HttpCheck) -> None:
    """Register a check. Raises: ValueError if its id is taken, or if it has no docstring to be told by."""
    if entry.id in CHECKS or not entry.run.__doc__:
        raise ValueError(f"the check {entry.id!r} exists already, or has no docstring; give it its own id and one")
    CHECKS[entry.id] = entry


def generation_field(name: str, *members: str, level: Level = Level.FULL) -> Callable[[PathCheck], PathCheck]:
    """Register a detector of the field, and of its ``members`` ("include_usage"), for completions and for chat."""

    def register(function: PathCheck) -> PathCheck:
        for path in GENERATING:
            run = partial(function, path)
            update_wrapper(run, function)
            fields = (f"{path} {name}", *(f"{path} {name}.{member}" for member in members))
            add(HttpCheck(f"field.{NAMES[path]}.{name}", run, level, fields[:1], None, fields, False))
        return function

    return register
