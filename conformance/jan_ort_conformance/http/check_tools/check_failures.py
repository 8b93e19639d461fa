"""The ways in which an HTTP check ends that shows no promise kept."""

from __future__ import annotations

from jan_ort_conformance.http.server.target import Answer
from jan_ort_conformance.verdicts.verdict import Violation


class Absent(Violation):
    """Raised when what the server declares has no effect: LIES."""


class Untold(Violation):
    """Raised when a check cannot show anything: what it needs for that is not declared."""


class Refused(Violation):
    """Raised when a request that should be served is answered otherwise; its error may declare what is missing."""

    def __init__(self, answer: Answer, sent: str) -> None:
        super().__init__(f"{sent} should be served; the answer is {answer}")
        self.answer = answer


def expect_effect(condition: bool, detail: str) -> None:
    """Report a field or feature as declared but absent unless the condition holds."""
    if not condition:
        raise Absent(detail)
