"""The GitHub Action: what its inputs make of the command line, for a server and for a backend."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner

from jan_ort_conformance.cli.kit_program import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="which bash is found there depends on the machine")

ACTION: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "conformance" / "action.yml").read_text())
(JUDGE,) = (step for step in ACTION["runs"]["steps"] if step.get("name") == "Judge")

STAND_IN = """#!/bin/sh
printf '%s\\n' "$@" "key ${JAN_ORT_KEY-unset}"
"""


def judged(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the step with a stand-in for the kit, which prints its arguments and the key."""
    command = folder / "jan-ort-conformance"
    command.write_text(STAND_IN)
    command.chmod(0o755)
    given = {name: str(each["default"]) for name, each in ACTION["inputs"].items()}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    env = {
        name: str(folder) if "steps." in value else given[re.findall(r"inputs\.([\w-]+)", value)[0]]
        for name, value in JUDGE["env"].items()
    }
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", JUDGE["run"]]
    return subprocess.run(shell, env=env | {"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)


def test_a_server_is_judged_with_its_options(tmp_path: Path) -> None:
    step = judged(tmp_path, url="http://127.0.0.1:8", key="k3y", server_cmd="serve --at 'a b'", only="seed.*\nstop.*\n")

    words = ["http", "--seed=1", "--max-examples=50", "--server-cmd=serve --at 'a b'", "--level=full"]
    words += ["--output=conformance-report", "--only=seed.*", "--only=stop.*", "--", "http://127.0.0.1:8", "key k3y"]
    assert step.stdout.splitlines() == words, step.stderr


def test_a_backend_is_judged_with_its_options(tmp_path: Path) -> None:
    inputs = {"model": "a folder", "extra": "device=cpu\nthreads=2\n", "skip_file": "known.toml"}

    step = judged(tmp_path, backend="counting", level="strict", time_limit="60", options="--jobs=2\n", **inputs)

    words = ["backend", "--model=a folder", "--extra=device=cpu", "--extra=threads=2", "--level=strict"]
    words += ["--output=conformance-report", "--skip-file=known.toml", "--time-limit=60", "--jobs=2", "--", "counting"]
    assert step.stdout.splitlines() == [*words, "key unset"], step.stderr


@pytest.mark.parametrize("inputs", [{}, {"url": "http://127.0.0.1:8", "backend": "counting"}])
def test_neither_or_both_are_refused(tmp_path: Path, inputs: dict[str, str]) -> None:
    step = judged(tmp_path, **inputs)

    assert step.returncode == 2
    assert "::error::give either url" in step.stdout


@pytest.mark.parametrize("subject", [{"url": "http://127.0.0.1:8"}, {"backend": "counting"}], ids=["http", "backend"])
def test_the_commands_have_every_option_that_the_action_gives(tmp_path: Path, subject: dict[str, str]) -> None:
    given = {name.replace("-", "_"): "1" for name in ACTION["inputs"] if name not in ("url", "backend", "options")}

    words = judged(tmp_path, **given, **subject).stdout.splitlines()

    known = CliRunner().invoke(main, [words[0], "--help"]).output
    names = {word.partition("=")[0] for word in words if word.startswith("--") and word != "--"}
    assert len(names) > 5
    assert {name for name in names if f"{name} " not in known} == set()
