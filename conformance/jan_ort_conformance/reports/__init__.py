"""The forms in which a run is shown: terminal, junit.xml, results.json, report.html and badge.svg."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jan_ort_conformance.reports.badge import badge_svg
from jan_ort_conformance.reports.changes import print_changes
from jan_ort_conformance.reports.junit import junit_xml
from jan_ort_conformance.reports.page import page_html
from jan_ort_conformance.reports.terminal import print_summary
from jan_ort_conformance.verdicts.results import Results

__all__ = ["badge_svg", "junit_xml", "page_html", "print_changes", "print_summary", "write_reports"]


def write_reports(results: Results, folder: Path) -> list[Path]:
    """Write every report into ``folder``, which is made if need be, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    forms: dict[str, Callable[[Results], str]] = {  # that which the others can be made of first
        "results.json": Results.to_json,
        "junit.xml": junit_xml,
        "report.html": page_html,
        "badge.svg": badge_svg,
    }
    for name, form in forms.items():
        (folder / name).write_text(form(results), encoding="utf-8")
    return [folder / name for name in forms]
