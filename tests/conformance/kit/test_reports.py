"""Results keep their values through every report, and the exit status says what they came to."""

from __future__ import annotations

import json
from datetime import date
from importlib import resources
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest
from rich.console import Console

from jan_ort_conformance.reports import badge_svg, junit_xml, page_html, print_summary, write_reports
from jan_ort_conformance.verdicts.results import Case, FuzzedOperation, Fuzzing, Results
from jan_ort_conformance.verdicts.skips import SkipFileError, read_skips
from jan_ort_conformance.verdicts.verdict import Level, Verdict

CASES = [
    Case("stop.never_leaks", Verdict.PASS, Level.CORE, "The text ends.", "curl http://x", 0.25),
    Case("field.chat.n", Verdict.LIES, Level.FULL, "<b>\x00 ignored", "curl -d '{\"n\": 3}' http://x", 1.5),
    Case("stop.earliest", Verdict.FAIL, Level.STRICT, "leaks"),
    Case("field.chat.suffix", Verdict.UNSUPPORTED),
    Case("stop.known", Verdict.SKIP),
]


@pytest.fixture
def results() -> Results:
    fuzzing = Fuzzing(1, 50, [FuzzedOperation("post_x", {"examples": 1, "fuzzing": 1234}, 600, 599, "0" * 16)])
    about = {"level": "strict", "seed": "1"}
    return Results("http", "http://127.0.0.1:8000", about, list(CASES), ["beware"], fuzzing)


def test_json_is_of_its_schema_and_reads_back(results: Results) -> None:
    schema = json.loads(resources.files("jan_ort_conformance.verdicts").joinpath("results.schema.json").read_text())

    text = results.to_json()

    jsonschema_rs.validate(schema, json.loads(text))
    assert Results.from_json(text) == results


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([Verdict.PASS, Verdict.UNSUPPORTED, Verdict.SKIP], 0),
        ([Verdict.PASS, Verdict.FAIL], 1),
        ([Verdict.PASS, Verdict.LIES], 1),
        ([], 1),
    ],
)
def test_the_exit_status_is_0_only_without_fail_and_lies(verdicts: list[Verdict], status: int) -> None:
    results = Results("http", "x", cases=[Case(f"a.{i}", verdict) for i, verdict in enumerate(verdicts)])

    assert results.exit_status == status


def test_junit_has_each_case_with_its_outcome(results: Results) -> None:
    root = ET.fromstring(junit_xml(results))  # noqa: S314  (our own)

    outcomes = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert outcomes == {
        "never_leaks": [],
        "chat.n": ["failure"],
        "earliest": ["failure"],
        "chat.suffix": ["skipped"],
        "known": ["skipped"],
    }
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("5", "2", "2")


def test_the_summary_and_the_page_say_how_many_requests_were_sent(results: Results) -> None:
    console = Console(file=StringIO(), width=80)

    print_summary(results, console)

    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "1235 requests by schemathesis, seed 1" in text
    assert "…" not in text
    assert all(each in text for each in ("post_x", "1234", "600", "599"))
    assert "1,235 requests" in page_html(results)


def test_results_of_an_earlier_minor_version_are_read(results: Results) -> None:
    document = json.loads(results.to_json()) | {"schema_version": "1.0"}
    del document["fuzzing"]

    assert Results.from_json(json.dumps(document)).fuzzing is None


def test_the_page_is_one_file_and_shows_what_was_said_as_text(results: Results) -> None:
    page = page_html(results)

    assert all(case.id in page for case in CASES)
    assert "&lt;b&gt;" in page
    assert "<b>\x00" not in page
    assert not any(word in page for word in ("<script", "src=", "href=", "@import"))


def test_a_row_of_the_page_has_all_that_was_seen_asked_and_answered() -> None:
    case = Case("a.b", Verdict.FAIL, detail="seen " * 200, asked='POST /v1/x {"n": 3}', came="500 no")

    page = page_html(Results("http", "x", cases=[case]))

    summary = page[page.index('<details class="case">') :].partition("</summary>")[0]
    assert "seen " * 199 in summary
    assert "POST /v1/x {&quot;n&quot;: 3}" in summary
    assert "500 no" in summary


@pytest.mark.parametrize(
    ("cases", "text"), [(CASES, "strict 1/3, 1 unsupported"), (CASES[:1], "strict 1/1<"), ([], "nothing judged")]
)
def test_the_badge_counts_what_was_judged(cases: list[Case], text: str) -> None:
    results = Results("http", "x", {"level": "strict"}, cases)

    assert text in badge_svg(results)


def test_every_report_is_written(results: Results, tmp_path: Path) -> None:
    paths = write_reports(results, tmp_path / "new" / "folder")

    assert {path.name for path in paths} == {"results.json", "junit.xml", "report.html", "badge.svg"}
    assert all(path.stat().st_size > 100 for path in paths)


SKIP_FILE = """
[[skip]]
id = "stop.*"
url = "https://tracker.test/1"
expires = 2030-01-31

[[skip]]
id = "seed.repeats"
url = "https://tracker.test/2"
expires = 2029-12-31
reason = "soon"
"""


def test_a_skip_holds_until_its_day_and_then_warns(tmp_path: Path) -> None:
    path = tmp_path / "skips.toml"
    path.write_text(SKIP_FILE)

    early, late = (read_skips(path, today) for today in (date(2029, 12, 31), date(2030, 1, 31)))

    assert [early.of("seed.repeats") is not None, late.of("seed.repeats") is not None] == [True, False]
    assert late.of("stop.never_leaks") is not None
    assert "ran out on 2029-12-31" in late.warnings(["stop.never_leaks"])[0]


def test_a_skip_that_matches_nothing_warns(tmp_path: Path) -> None:
    path = tmp_path / "skips.toml"
    path.write_text(SKIP_FILE)

    (warning,) = read_skips(path, date(2029, 1, 1)).warnings(["stop.never_leaks"])

    assert "'seed.repeats' matches no case" in warning


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SKIP_FILE.replace("[[skip]]", "[[skips]]"), "the file has 'skips'; known are skip"),
        (SKIP_FILE.replace("reason", "resaon"), "'seed.repeats' has 'resaon'; known are expires, id, reason, url"),
        (SKIP_FILE + "\n[options]\nlevel = 'core'\n", "the file has 'options'"),
    ],
)
def test_a_misspelt_name_in_a_skip_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "skips.toml"
    path.write_text(text)

    with pytest.raises(SkipFileError, match=told):
        read_skips(path, date(2029, 1, 1))


def test_one_case_is_no_cases() -> None:
    console = Console(file=StringIO(), width=80)
    results = Results("http", "x", cases=CASES[:1])

    print_summary(results, console)

    assert isinstance(console.file, StringIO)
    assert "1 case in" in console.file.getvalue()
    assert "1 case in" in page_html(results)
    assert "1 case<" in page_html(results)


@pytest.mark.parametrize(
    "text", ["[[skip]]\nid = 'a'\nurl = 'b'", "[[skip]]\nid = 'a'\nurl = 'b'\nexpires = 'soon'", "skip = 5", "?"]
)
def test_a_skip_without_url_or_day_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "skips.toml"
    path.write_text(text)

    with pytest.raises(SkipFileError, match=r"each \[\[skip\]\] needs id, url and expires"):
        read_skips(path, date(2030, 1, 1))
