"""A check of the backend kit: what it asks for, at which level, and which capabilities it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jan_ort_backends import Capability
from jan_ort_conformance.backend.check_tools.fixture import Fixture
from jan_ort_conformance.verdicts.selection import promise_of
from jan_ort_conformance.verdicts.verdict import Level

Run = Callable[[Fixture], str | None]


@dataclass(frozen=True, slots=True)
class BackendCheck:
    """One check: ``run`` raises Violation, and may return a line about what it measured."""

    id: str
    level: Level
    needs: tuple[Capability, ...]
    run: Run

    @property
    def promise(self) -> str:
        """What the backend owes: the first line of the check's docstring."""
        return promise_of(self.run)


CHECKS: dict[str, BackendCheck] = {}
"""Every check that was registered, by its id; backend.checks imports them all."""


def check(check_id: str, *needs: Capability, level: Level = Level.CORE) -> Callable[[Run], Run]:
    """Register the function as a check, to be run on sessions that can do all of ``needs``."""

    def add(run: Run) -> Run:
        assert check_id not in CHECKS, f"two checks are named {check_id}"
        CHECKS[check_id] = BackendCheck(check_id, level, needs, run)
        return run

    return add
