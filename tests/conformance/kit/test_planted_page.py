"""The list of planted faults in docs/ is the list of those that the tests plant."""

from __future__ import annotations

import re
from pathlib import Path

from jan_ort_conformance.http.checks import registered
from tests.conformance.kit.planted import FAULTS
from tests.conformance.kit.planted_page import PAGE, planted_page

DOCS = ("docs/conformance.md", "CHANGELOG.md")


def test_the_page_of_planted_faults_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8")

    assert written == planted_page(), "run python -m tests.conformance.kit.planted_page"


def test_the_docs_count_what_there_is() -> None:
    root = PAGE.parents[1]
    docs, changelog = (re.sub(r"\s+", " ", Path(root, name).read_text(encoding="utf-8")) for name in DOCS)

    assert f"The tests plant {len(FAULTS)} faults in a correct server" in docs
    assert (
        "(`--no-fuzz --level strict`) took 177 s there at a load of 30, when there were 357 of them "
        f"({len(registered())} now)" in docs
    )
    assert f"schemathesis and {len(registered())} behaviour checks" in changelog
