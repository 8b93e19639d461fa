"""Without its extra the kit judges servers, and says what to install when it is asked to judge a backend."""

from __future__ import annotations

import subprocess
import sys

RUN = """
import sys
sys.modules[{name!r}], sys.argv[1:] = None, {words!r}
from jan_ort_conformance.__main__ import run
run()
"""

REMEDY = "pip install ./openapi . './conformance[backend]' in jan-ort's folder"


def without(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    code = RUN.format(name=name, words=words)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_missing_package_is_named_with_the_remedy() -> None:
    run = without("numpy", "backend", "reference")

    assert run.returncode == 1
    assert run.stderr == f"Error: numpy is not installed; judging a backend needs it: {REMEDY}\n"


def test_only_commands_that_can_run_are_listed() -> None:
    assert "backend  " in without("nothing", "--help").stdout
    assert "backend  " not in without("jan_ort_backends", "--help").stdout


def test_any_other_import_error_is_shown_whole() -> None:
    run = without("rich", "list")

    assert "Traceback" in run.stderr
    assert "rich" in run.stderr
