"""What the pages bundle of others is named in THIRD_PARTY.md, with its hash and its licence."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from jan_ort.http.pages.page_files import ROOT
from scripts import bundle_pages

CHECKOUT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `([^`]+)` \| .+ \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def test_each_bundled_file_is_named_and_unchanged() -> None:
    named = dict(ROW.findall((CHECKOUT / "THIRD_PARTY.md").read_text(encoding="utf-8")))
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (ROOT / "vendor").iterdir()}

    assert named == there


def test_each_package_has_its_licence_there() -> None:
    text = (CHECKOUT / "THIRD_PARTY.md").read_text(encoding="utf-8")

    sections = dict(re.findall(r"^## ([^\n]+)\n\n```text\n(.+?)\n```$", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == [each.title for each in bundle_pages.PACKAGES]
    assert [title for title, words in sections.items() if "Copyright" not in words and "copyright" not in words] == []
