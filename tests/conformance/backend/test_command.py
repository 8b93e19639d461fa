"""The command: its exit statuses, its reports, and what it says when there is nothing to judge."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jan_ort_backends.reference import ReferenceBackend
from jan_ort_conformance.backend.checks import select
from jan_ort_conformance.cli.backend_command import backend_command
from jan_ort_conformance.cli.judging_options import EXIT_NOT_RUN
from jan_ort_conformance.verdicts.results import Results

BROKEN = "tests.conformance.backend.broken_processes:RaisingExit"
FEW = ("--only", "slots.*", "--only", "logits.finite", "--in-process")
NUM_FEW = len(select(patterns=("slots.*", "logits.finite")))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(backend_command, list(arguments))


def test_a_sound_backend_gives_status_0_and_every_report(tmp_path: Path) -> None:
    result = run("reference", "--level", "strict", "--output", str(tmp_path), *FEW)

    assert result.exit_code == 0, result.output
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"results.json", "junit.xml", "report.html", "badge.svg"}
    results = Results.from_json((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert (results.kit, results.subject, len(results.cases)) == ("backend", "reference", NUM_FEW)


def test_a_broken_backend_gives_status_1_and_the_line_that_repeats_the_case(tmp_path: Path) -> None:
    result = run(BROKEN, "--output", str(tmp_path), *FEW)

    assert result.exit_code == 1
    results = Results.from_json((tmp_path / "results.json").read_text(encoding="utf-8"))
    (case,) = [case for case in results.cases if case.id == "logits.finite"]
    assert case.repeat.startswith(f"jan-ort-conformance backend {BROKEN} --model ")
    assert case.repeat.endswith("--level core --only logits.finite")


def test_an_unknown_backend_is_not_judged() -> None:
    result = run("nonsense")

    assert result.exit_code == EXIT_NOT_RUN
    assert "no backend named 'nonsense' is installed" in result.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--only", "slots.*", "--only", "slot.*"], "no case matches 'slot.*'; did you mean slots.*"),
        (["--only", "interrupts.*", "--level", "core"], "matches only what other options, such as --level, leave out"),
    ],
)
def test_a_pattern_that_matches_nothing_is_refused_before_the_backend_is_loaded(options: list[str], told: str) -> None:
    result = run("tests.no.such.module:backend", *options)

    assert result.exit_code == 2
    assert told in " ".join(result.output.split())


class Nameless:
    def __str__(self) -> str:
        raise ValueError("it has no name")


class Odd(ReferenceBackend):
    """Declares what cannot be named."""

    capabilities = frozenset({Nameless()})  # type: ignore[arg-type]


def test_an_error_of_the_backend_is_not_told_as_one_of_the_command_line() -> None:
    result = run(f"{__name__}:Odd", "--only", "slots.*", "--in-process")

    assert str(result.exception) == "it has no name"
    assert result.exit_code == 1


def test_a_known_issue_is_skipped_and_one_that_matches_nothing_warns(tmp_path: Path) -> None:
    skips = tmp_path / "skips.toml"
    entry = '[[skip]]\nid = "{}"\nurl = "https://example.org/1"\nexpires = 2999-01-31\n'
    skips.write_text(entry.format("logits.finite") + entry.format("no.such"), encoding="utf-8")

    result = run(BROKEN, "--only", "logits.finite", "--in-process", "--skip-file", str(skips))

    assert result.exit_code == 0, result.output
    assert "https://example.org/1" in result.output or "SKIP" in result.output
    assert "no.such" in result.output
