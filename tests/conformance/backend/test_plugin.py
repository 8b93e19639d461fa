"""The kit in an author's own pytest: by options, or by overriding the fixture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jan_ort_conformance.backend.checks import select

NUM_CHOSEN = sum("logits" in each.id for each in select())
PLUGIN = ("-p", "jan_ort_conformance.backend.plugin", "-p", "no:cacheprovider", "-q", "-k", "logits or top_logits")

OVERRIDING = """
import pytest
from jan_ort_backends.reference import ReferenceBackend
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.backend.test_conformance import test_the_backend_conforms


@pytest.fixture
def jan_ort_backend():
    return Subject(ReferenceBackend(), FOLDER)
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", *PLUGIN, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_suite_runs_from_the_package_by_name(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, "--pyargs", "jan_ort_conformance.backend", "--jan-ort-backend", "reference")

    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{NUM_CHOSEN} passed" in run.stdout


def test_an_author_may_override_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(OVERRIDING, encoding="utf-8")

    run = run_pytest(tmp_path, "test_mine.py")

    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{NUM_CHOSEN} passed" in run.stdout


def test_without_a_name_the_suite_says_what_it_lacks(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, "--pyargs", "jan_ort_conformance.backend", "-rs")

    assert f"{NUM_CHOSEN} skipped" in run.stdout
    assert "--jan-ort-backend NAME" in run.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("nonsense",), "no backend named 'nonsense' is installed"),
        (("no.such.module:backend",), "no.such.module:backend cannot be loaded"),
        (("reference", "--jan-ort-model", "."), "config.json is not readable as JSON"),
        (("reference", "--jan-ort-model", ".", "--jan-ort-isolated"), "config.json is not readable as JSON"),
    ],
)
def test_what_cannot_be_loaded_or_opened_is_told_once(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    run = run_pytest(tmp_path, "--pyargs", "jan_ort_conformance.backend", "--jan-ort-backend", *options)

    assert run.returncode == 3, run.stdout + run.stderr
    assert (run.stdout + run.stderr).count(told) == 1
    assert not any(word in run.stdout for word in (" passed", " failed", " error"))
