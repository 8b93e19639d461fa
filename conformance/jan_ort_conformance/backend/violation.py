"""What a check raises when a backend is not what it says, and how these become verdicts."""

from __future__ import annotations

from jan_ort_conformance.results import Verdict
from jan_ort_conformance.violation import Violation

__all__ = ["Lie", "NotThere", "Violation"]


class Lie(Violation):
    """Raised when something is declared but absent, or present but undeclared."""

    verdict = Verdict.LIES


class NotThere(Violation):
    """Raised when the thing to check is declared as absent, and was refused with the right error."""

    verdict = Verdict.UNSUPPORTED
