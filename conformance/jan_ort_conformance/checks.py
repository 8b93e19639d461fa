"""The registry of HTTP checks, and the ways in which a check ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from jan_ort_conformance.results import Level
from jan_ort_conformance.selection import chosen, promise_of
from jan_ort_conformance.target import Answer
from jan_ort_conformance.violation import Violation, expect

if TYPE_CHECKING:
    from jan_ort_conformance.http.asking import Asker

__all__ = [
    "Absent",
    "Check",
    "CheckFunction",
    "Refused",
    "Untold",
    "Violation",
    "add",
    "check",
    "expect",
    "expect_effect",
    "registered",
    "selected",
]

CheckFunction = Callable[["Asker"], None]


class Absent(Violation):
    """Raised when what the server declares has no effect: LIES."""


class Untold(Violation):
    """Raised when a check cannot show anything: what it needs for that is not declared."""


class Refused(Violation):
    """Raised when a request that should be served is answered otherwise; its error may declare what is missing."""

    def __init__(self, answer: Answer, sent: str) -> None:
        super().__init__(f"{sent} should be served; the answer is {answer}")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Check:
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


_REGISTERED: dict[str, Check] = {}


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
    """Register a function as the check ``check_id``; ``detects`` are both needs and fields; see Check for the rest."""
    both = tuple(detects)

    def register(function: CheckFunction) -> CheckFunction:
        add(Check(check_id, function, level, (*needs, *both), optional, (*fields, *both), needs_key))
        return function

    return register


def add(entry: Check) -> None:
    """Register a check. Raises: ValueError if its id is taken, or if it has no docstring to be told by."""
    if entry.id in _REGISTERED or not entry.run.__doc__:
        raise ValueError(f"the check {entry.id!r} exists already, or has no docstring; give it its own id and one")
    _REGISTERED[entry.id] = entry


def registered() -> list[Check]:
    """Return every HTTP check, in the order of their modules and definitions."""
    from jan_ort_conformance import http

    for module in sorted(iter_modules(http.__path__), key=lambda module: module.name):
        if module.name.startswith("checks_"):
            import_module(f"jan_ort_conformance.http.{module.name}")
    return list(_REGISTERED.values())


def selected(level: Level, only: Iterable[str] = ()) -> list[Check]:
    """Return the checks of ``level`` and below whose id matches one of the patterns, if there are any."""
    return chosen(registered(), level, tuple(only))


def expect_effect(condition: bool, detail: str) -> None:
    """Report a field or feature as declared but absent unless the condition holds."""
    if not condition:
        raise Absent(detail)
