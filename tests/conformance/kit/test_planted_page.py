"""The list of planted faults in docs/ is the list of those that the tests plant."""

from __future__ import annotations

from tests.conformance.kit.planted_page import PAGE, planted_page


def test_the_page_of_planted_faults_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8")

    assert written == planted_page(), "run python -m tests.conformance.kit.planted_page"
