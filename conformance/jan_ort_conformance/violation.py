"""What a check of either kit raises when its subject does not do what it should."""

from __future__ import annotations

from typing import ClassVar

from jan_ort_conformance.results import Verdict


class Violation(Exception):
    """Raised when a server or backend breaks a promise; the message says what was seen."""

    verdict: ClassVar[Verdict] = Verdict.FAIL


def expect(truth: object, message: str) -> None:
    """Raise Violation with the message unless ``truth`` holds."""
    if not truth:
        raise Violation(message)
