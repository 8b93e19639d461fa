"""The checks by id: what each asks for, at which level, and which capabilities it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jan_ort_backends import Capability
from jan_ort_conformance.backend.trial import Trial
from jan_ort_conformance.results import Level
from jan_ort_conformance.selection import chosen, promise_of, require_matches

Run = Callable[[Trial], str | None]

FIRST = ("descriptor", "opening", "refused_input", "slots", "logits")
"""The themes that the others build on: what fails here makes others fail too."""


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


def select(level: Level = Level.STRICT, patterns: tuple[str, ...] = ()) -> list[Check]:
    """Return the checks of a level whose ids match a pattern (``fnmatch``), or all for none, in the order to mend in.

    Raises: PatternError for a pattern that matches none of them.
    """
    require_matches(patterns, (entry.id for entry in chosen(_checks.values(), level)), _checks)
    return sorted(chosen(_checks.values(), level, patterns), key=_place)


def _place(entry: Check) -> int:
    theme = entry.id.partition(".")[0]
    return FIRST.index(theme) if theme in FIRST else len(FIRST)  # the others stay as they were registered
