"""A plugin that ends, breaks or holds up the process that imports it: the command says so in one line, and ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jan_ort_backends import ModelError
from jan_ort_conformance.backend.checks import select
from jan_ort_conformance.backend.isolation.described_backend import load_aside
from jan_ort_conformance.backend.judging.backend_run import run_backend
from jan_ort_conformance.backend.judging.isolated_check import judge_in_child
from jan_ort_conformance.backend.subject import Subject, Tolerances
from jan_ort_conformance.cli.backend_command import backend_command
from jan_ort_conformance.cli.judging_options import EXIT_NOT_RUN
from jan_ort_conformance.verdicts.results import Results
from jan_ort_conformance.verdicts.verdict import Verdict
from tests.backends.plugins import Plugins, plugin_folder

REFERENCE = "from jan_ort_backends.reference import ReferenceBackend\nbackend = ReferenceBackend()\n"
CHATTY = f"""
import atexit
print("loading driver...", end="")
atexit.register(print, "driver unloaded")
{REFERENCE}
"""
THREADED = f"""
import threading, time
threading.Thread(target=time.sleep, args=(3600,), name="of-the-plugin").start()
{REFERENCE}
"""
OPEN_HANGS = """
import time
from jan_ort_backends.reference import ReferenceBackend
class Backend(ReferenceBackend):
    def open(self, model_dir, options):
        time.sleep(3600)
backend = Backend()
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Plugins]:
    with plugin_folder(tmp_path) as plugins:
        yield plugins


def run(*arguments: str) -> Result:
    return CliRunner().invoke(backend_command, list(arguments))


def loaded(module: str) -> Subject:
    return load_aside(f"{module}:backend", None, time_limit_s=60, extra={}, tolerances=Tolerances())


@pytest.mark.parametrize("in_process", [(), ("--in-process",)])
@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("import os; os._exit(0)", "importing it ended the process, exit status 0"),
        ("raise RuntimeError('driver\\nmissing')", "RuntimeError: driver missing"),
    ],
)
def test_a_plugin_that_fails_when_it_is_imported_is_told_in_one_line(
    plugins: Plugins, source: str, told: str, by_name: bool, in_process: tuple[str, ...]
) -> None:
    module = plugins.install("sick", source)

    result = run("sick" if by_name else f"{module}:backend", *in_process)

    assert result.exit_code == EXIT_NOT_RUN, result.output
    assert told in result.output
    assert result.output.count("\n") == 1


def test_a_plugin_that_hangs_when_it_is_imported_is_given_up_at_the_limit(plugins: Plugins) -> None:
    module = plugins.install("sick", "import time; time.sleep(3600)")

    result = run(f"{module}:backend", "--time-limit", "2")

    assert result.exit_code == EXIT_NOT_RUN
    assert "importing it did not end within 2 s" in result.output


def test_a_model_that_is_never_open_is_told_once_and_no_case_is_run(plugins: Plugins) -> None:
    subject = loaded(plugins.install("sick", OPEN_HANGS))
    judged: list[object] = []

    with pytest.raises(ModelError, match="did not end within 4 s"):
        run_backend(subject, time_limit_s=4, tell=judged.append)

    assert judged == []


def test_the_command_imports_nothing_of_the_backend(plugins: Plugins, tmp_path: Path) -> None:
    module = plugins.install("reference2", REFERENCE)
    only = ("--only", "slots.start_empty", "--only", "opening.describes_the_session")

    result = run(f"{module}:backend", *only, "--output", str(tmp_path / "report"))

    assert result.exit_code == 0, result.output
    assert module not in sys.modules
    results = Results.from_json((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))
    assert results.subject == "reference"
    assert "top_logits" in results.about["declares"]


def test_a_thread_that_goes_on_holds_up_no_case_and_is_warned_of(plugins: Plugins) -> None:
    module = plugins.install("threaded", THREADED)

    result = run(f"{module}:backend", "--only", "slots.start_empty", "--time-limit", "60")

    assert result.exit_code == 0, result.output
    assert "threads that do not end (of-the-plugin)" in " ".join(result.output.split())


def test_the_command_ends_with_a_thread_that_goes_on_in_its_own_process(plugins: Plugins) -> None:
    module = plugins.install("threaded", THREADED)
    only = ("--only", "slots.start_empty", "--in-process")
    command = [sys.executable, "-m", "jan_ort_conformance", "backend", f"{module}:backend", *only]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    assert ended.returncode == 0
    assert "conforms" in ended.stdout
    assert "the threads of a backend: of-the-plugin" in ended.stderr


@pytest.mark.parametrize(
    "check_id",
    ["descriptor.imports_no_runtime", "descriptor.imports_quickly", "opening.hashes_alike_in_every_process"],
)
def test_what_a_plugin_prints_is_no_answer(plugins: Plugins, check_id: str) -> None:
    (check,) = select(patterns=(check_id,))

    case = judge_in_child(check, loaded(plugins.install("chatty", CHATTY)), 60)

    assert case.verdict is Verdict.PASS, case.detail
    assert "driver" not in json.dumps(case.detail)
