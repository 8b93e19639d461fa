"""The command line: exit status, reports, skip file, and the list of checks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jan_ort_conformance.cli.judging_options import EXIT_NOT_RUN
from jan_ort_conformance.cli.kit_program import main
from jan_ort_conformance.http.checks import registered
from tests.conformance.kit.broken_server import KEY, BrokenServer, fault_named

pytestmark = pytest.mark.usefixtures("sound_afterwards")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["http", *arguments, "--key", KEY, "--no-fuzz", "--seed", "5"])


def test_a_sound_server_exits_0_and_the_reports_are_written(url: str, tmp_path: Path) -> None:
    result = run(url, "--only", "seed.*", "--output", str(tmp_path))

    assert result.exit_code == 0, result.output
    assert "conforms: 4 cases" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["badge.svg", "junit.xml", "report.html", "results.json"]


def test_a_fault_exits_1_and_the_key_is_in_no_report(server: BrokenServer, url: str, tmp_path: Path) -> None:
    server.plant(fault_named("ignores_n"))

    result = run(url, "--only", "field.chat.n", "--output", str(tmp_path))

    document = json.loads((tmp_path / "results.json").read_text())
    assert result.exit_code == 1
    assert document["cases"][0]["repeat"].startswith("curl ")
    assert not any(KEY in path.read_text() for path in tmp_path.iterdir())


@pytest.mark.parametrize("fault", ["takes_the_key_as_basic", "takes_the_bare_key", "tells_the_key"])
def test_what_is_told_of_a_wrong_key_holds_no_key(server: BrokenServer, url: str, tmp_path: Path, fault: str) -> None:
    server.plant(fault_named(fault))

    result = run(url, "--only", "auth.*", "--output", str(tmp_path))

    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert result.exit_code == 1
    assert KEY not in result.output + written
    assert "$JAN_ORT_KEY" in written


def test_a_known_issue_lets_the_run_succeed(server: BrokenServer, url: str, tmp_path: Path) -> None:
    server.plant(fault_named("ignores_n"))
    skips = tmp_path / "skips.toml"
    skips.write_text('[[skip]]\nid = "field.*.n"\nurl = "https://tracker.test/1"\nexpires = 9999-12-31\n')

    result = run(url, "--only", "field.chat.n", "--only", "seed.repeats", "--skip-file", str(skips))

    assert result.exit_code == 0, result.output
    assert "SKIP        field.chat.n" in result.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--only", "seed.*", "--only", "sead.*"], "no case matches 'sead.*'; did you mean seed.*"),
        (["--only", "42"], "no case matches '42'; there are: "),
        (["--only", "schema.post_v1_completion.*"], "did you mean schema.post_v1_completions."),
        (["--only", "*by_name", "--level", "core"], "matches only what other options, such as --level, leave out"),
        (["--only", "schema.*"], "matches only what other options, such as --level, leave out"),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused_before_anything_is_asked(options: list[str], told: str) -> None:
    result = run("http://127.0.0.1:9", *options)

    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())


def test_no_server_is_not_a_verdict() -> None:
    result = run("http://127.0.0.1:9")

    assert result.exit_code == EXIT_NOT_RUN
    assert "nothing answers at http://127.0.0.1:9" in result.output


def test_the_list_has_every_check_with_its_promise() -> None:
    result = CliRunner().invoke(main, ["list"])

    assert result.exit_code == 0
    assert all(entry.id in result.output for entry in registered())


def test_the_backend_kit_is_a_command_beside_this_one() -> None:
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    assert {"http", "backend", "list"} <= set(result.output.split())
