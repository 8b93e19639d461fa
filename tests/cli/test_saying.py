"""What a model, a hub, a plugin or a server is called steers no terminal and adds no line."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from jan_ort.cli.doctor import rendering
from jan_ort.cli.program import Program
from jan_ort.cli.saying import say
from jan_ort.cli.text_table import text_table

HOSTILE = "model\nError: forged\x1b[2J\r\x9b\u202e"
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


def test_a_cell_stays_a_cell() -> None:
    lines = text_table(("name", "source"), [(HOSTILE, HOSTILE), ("a", "b")]).split("\n")

    assert len(lines) == 3
    assert STEERS.search("".join(lines)) is None


def test_an_error_stays_one_line() -> None:
    program = Program(places={"fail": ("tests.cli.test_saying:failing", "Fail.")})

    run = CliRunner().invoke(program, ["fail"])

    assert run.exit_code == 1
    assert run.output.count("\n") == 1
    assert STEERS.search(run.output) is None


@click.command()
def failing() -> None:
    raise click.ClickException(HOSTILE)


def test_a_line_of_the_doctor_stays_one() -> None:
    assert rendering._joined([HOSTILE, "next"]).split("\n")[1:] == ["next"]


def test_what_is_said_keeps_its_lines_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\ttwo\nthree \x1b[2J\x07")

    assert capsys.readouterr().out == "one    two\nthree \\x1b[2J\\x07\n"
