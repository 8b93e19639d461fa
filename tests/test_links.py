"""Each relative link of a document leads to a file of this repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (
    ".",
    "docs",
    "docs/operating",
    "docs/tutorials",
    "backends",
    "backends/*",
    "benchmarks",
    "conformance",
    "openapi",
)
DOCUMENTS = [ROOT / "llms.txt", *(path for folder in FOLDERS for path in sorted(ROOT.glob(f"{folder}/*.md")))]
CODE = re.compile(r"^```.*?^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!\w+:|#)([^)#]+)")


def missing(document: Path) -> list[str]:
    links = [link.strip() for link in LINK.findall(CODE.sub("", document.read_text("utf-8")))]
    return [link for link in links if not (document.parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files(document: Path) -> None:
    assert missing(document) == []


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("[a](page.md#part) [b](gone.md) [c](https://example.org/gone.md) [d](#part)", "utf-8")

    assert missing(document) == ["gone.md"]
