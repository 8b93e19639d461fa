"""The checks by id: what each asks for, at which level, and which capabilities it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jan_ort_backends import Capability
from jan_ort_conformance.backend.trial import Trial
from jan_ort_conformance.results import Level
from jan_ort_conformance.selection import chosen, promise_of, unmatched

Run = Callable[[Trial], str | None]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: ``run`` raises Violation, and may return a line about what it measured."""

    id: str
    level: Level
    needs: tuple[Capability, ...]
    run: Run

    @property
    def promise(self) -> str:
        """What the backend owes: the first line of the check's docstring."""
        return promise_of(self.run)


_checks: dict[str, Check] = {}


def check(check_id: str, *needs: Capability, level: Level = Level.CORE) -> Callable[[Run], Run]:
    """Register the function as a check, to be run on sessions that can do all of ``needs``."""

    def add(run: Run) -> Run:
        assert check_id not in _checks, f"two checks are named {check_id}"
        _checks[check_id] = Check(check_id, level, needs, run)
        return run

    return add


def select(level: Level = Level.STRICT, patterns: tuple[str, ...] = ("*",)) -> list[Check]:
    """Return the checks of a level whose ids match one of the patterns (``fnmatch``), in the order of registration.

    Raises: ValueError for a pattern that matches no check at all.
    """
    for pattern in unmatched(_checks, patterns):
        raise ValueError(f"no check matches {pattern!r}; there are: {', '.join(_checks)}")
    return chosen(_checks.values(), level, patterns)
