"""Runs are compared: with an earlier one of the same server, and with those of others side by side."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from click.testing import CliRunner
from rich.console import Console

from jan_ort_conformance.cli.judging_options import EXIT_INTERRUPTED
from jan_ort_conformance.cli.kit_program import main
from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.reports import print_changes, write_reports
from jan_ort_conformance.verdicts.results import Case, Results
from jan_ort_conformance.verdicts.verdict import Level, Verdict
from tests.conformance.kit.broken_server import KEY, BrokenServer

OLD = Results("http", "http://a", {"level": "full"}, [Case("a.x", Verdict.FAIL), Case("a.y", Verdict.PASS)])
NEW = Results(
    "http",
    "http://b",
    {"level": "full"},
    [
        Case("a.x", Verdict.PASS),
        Case("a.y", Verdict.LIES, Level.FULL, "<i>said</i>", "curl http://b/x"),
        Case("b.z", Verdict.PASS),
    ],
)


def test_what_has_changed_is_told_and_what_became_worse_first() -> None:
    console = Console(file=StringIO(), width=80)

    print_changes(OLD, NEW, console)

    assert isinstance(console.file, StringIO)
    assert console.file.getvalue().splitlines() == [
        "3 verdicts changed since http://a was judged",
        "  a.y: PASS -> LIES",
        "  a.x: FAIL -> PASS",
        "  b.z: not there -> PASS",
    ]


def test_a_page_shows_servers_side_by_side_with_the_line_behind_each_cell(tmp_path: Path) -> None:
    files = [write_reports(run, tmp_path / name)[0] for run, name in ((OLD, "old"), (NEW, "new"))]
    page = tmp_path / "page.html"

    result = CliRunner().invoke(
        main, ["compare", *map(str, files), "--name", "one", "--name", "two", "--output", str(page)]
    )

    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert "curl http://b/x" in text
    assert "&lt;i&gt;said" in text
    assert "1 of 2 pass, 0 unsupported" in text
    assert text.count("not asked") == 1
    assert not any(word in text for word in ("<script", "src=", "href=", "@import"))


def test_a_table_shows_how_much_of_each_theme_passes(tmp_path: Path) -> None:
    lacking = Results("http", "http://c", {}, [Case("b.z", Verdict.UNSUPPORTED), Case("b.y", Verdict.SKIP)])
    files = [write_reports(run, tmp_path / name)[0] for run, name in ((NEW, "new"), (lacking, "lacking"))]
    table = tmp_path / "table.md"

    result = CliRunner().invoke(
        main, ["compare", *map(str, files), "--name", "one", "--name", "a|b", "--output", str(table)]
    )

    assert result.exit_code == 0, result.output
    assert table.read_text(encoding="utf-8").splitlines() == [
        "| theme | one | a/b |",
        "| --- | --- | --- |",
        "| a | 1 of 2 | - |",
        "| b | 1 of 1 | 1 no |",
        "| **all** | 2 of 3 | 1 no |",
    ]


def test_another_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")

    result = CliRunner().invoke(main, ["compare", str(tmp_path / "x.json")])

    assert result.exit_code == 2
    assert "is not a results.json of this kit" in result.output


def test_ctrl_c_leaves_the_reports_of_what_was_judged(url: str, tmp_path: Path, server: BrokenServer) -> None:
    def interrupt(case: Case) -> None:
        raise KeyboardInterrupt

    results = run_http(HttpOptions(url, key=KEY, only=("usage.*",), fuzz=False), interrupt)

    assert [case.id for case in results.cases] == ["usage.adds_up"]
    assert results.is_interrupted
    assert any("not judged" in warning for warning in results.warnings)
    assert EXIT_INTERRUPTED == 130
