"""What a check raises when a backend is not what it says, and how these become verdicts."""

from __future__ import annotations

from typing import ClassVar

from jan_ort_conformance.results import Verdict


class Violation(Exception):
    """Raised when a backend breaks a promise of the interface; the message says what was seen."""

    verdict: ClassVar[Verdict] = Verdict.FAIL


class Lie(Violation):
    """Raised when something is declared but absent, or present but undeclared."""

    verdict = Verdict.LIES


class NotThere(Violation):
    """Raised when the thing to check is declared as absent, and was refused with the right error."""

    verdict = Verdict.UNSUPPORTED
