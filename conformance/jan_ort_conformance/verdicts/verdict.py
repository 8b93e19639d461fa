"""Verdicts and levels, and what a check of either kit raises when its subject does not do what it should."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Verdict(StrEnum):
    """What a case came to."""

    PASS = "PASS"  # noqa: S105  (no password)
    FAIL = "FAIL"
    UNSUPPORTED = "UNSUPPORTED"
    """Not declared, or refused with the right error, which was checked."""
    LIES = "LIES"
    """Declared but absent, or present but undeclared."""
    SKIP = "SKIP"
    """Not judged: a known issue of the skip file, with its URL and the day it runs out, or the server is gone."""

    @property
    def is_bad(self) -> bool:
        """Whether it makes the run fail."""
        return self in (Verdict.FAIL, Verdict.LIES)


class Level(StrEnum):
    """How much is asked; each level holds the one before."""

    CORE = "core"
    """What any OpenAI-compatible server owes."""
    FULL = "full"
    """The document: every field and promise of the API."""
    STRICT = "strict"
    """What this project promises beyond it: names of errors, arithmetic, headers."""

    def includes(self, other: Level) -> bool:
        """Whether a run at this level has the cases of ``other``."""
        order = list(Level)
        return order.index(other) <= order.index(self)


class Violation(Exception):
    """Raised when a server or backend breaks a promise; the message says what was seen."""

    verdict: ClassVar[Verdict] = Verdict.FAIL


class Lie(Violation):
    """Raised when something is declared but absent, or present but undeclared."""

    verdict = Verdict.LIES


class NotThere(Violation):
    """Raised when the thing to check is declared as absent, and was refused with the right error."""

    verdict = Verdict.UNSUPPORTED


def expect(truth: object, message: str) -> None:
    """Raise Violation with the message unless ``truth`` holds."""
    if not truth:
        raise Violation(message)
