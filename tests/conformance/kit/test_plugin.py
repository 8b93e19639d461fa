"""The HTTP checks in an author's own pytest, by the options of the plugin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conformance.kit.broken_server import KEY, BrokenServer, fault_named

FEW = ("-p", "no:cacheprovider", "-q", "-k", "usage or seed")


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", *FEW, "--pyargs", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_suite_runs_from_the_package_by_name(url: str, tmp_path: Path) -> None:
    run = run_pytest(tmp_path, "jan_ort_conformance.http", "--jan-ort-url", url, "--jan-ort-key", KEY)

    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout
    assert "failed" not in run.stdout


def test_the_whole_package_has_both_kits(url: str, tmp_path: Path) -> None:
    options = ("--jan-ort-url", url, "--jan-ort-key", KEY, "--jan-ort-backend", "reference", "--jan-ort-level", "core")

    run = run_pytest(tmp_path, "jan_ort_conformance", *options, "--collect-only")

    assert run.returncode == 0, run.stdout + run.stderr
    assert "test_server.py::test_conforms[seed.repeats]" in run.stdout
    assert (
        "test_conformance.py::test_the_backend_conforms"
        in run_pytest(tmp_path, "jan_ort_conformance", *options, "--collect-only", "-k", "slots").stdout
    )


def test_a_failure_is_told_in_words_with_its_curl_line(server: BrokenServer, url: str, tmp_path: Path) -> None:
    server.plant(fault_named("total_is_off"))

    run = run_pytest(tmp_path, "jan_ort_conformance.http", "--jan-ort-url", url, "--jan-ort-key", KEY)
    server.plant(None)

    assert run.returncode == 1
    assert "FAIL usage.adds_up: completions: {" in run.stdout
    assert "curl -sS" in run.stdout
    assert "Traceback" not in run.stdout


def test_what_pytest_tells_holds_no_key(server: BrokenServer, url: str, tmp_path: Path) -> None:
    server.plant(fault_named("takes_the_bare_key"))

    run = run_pytest(
        tmp_path, "jan_ort_conformance.http", "--jan-ort-url", url, "--jan-ort-key", KEY, "-k", "wrong_key"
    )
    server.plant(None)

    assert run.returncode == 1
    assert "FAIL auth.wrong_key_is_401" in run.stdout
    assert "$JAN_ORT_KEY" in run.stdout
    assert KEY not in run.stdout


def test_a_server_that_is_not_there_or_refuses_the_key_is_told_in_words(url: str, tmp_path: Path) -> None:
    gone = run_pytest(tmp_path, "jan_ort_conformance.http", "--jan-ort-url", "http://127.0.0.1:9")
    refused = run_pytest(tmp_path, "jan_ort_conformance.http", "--jan-ort-url", url, "--jan-ort-key", "other")

    assert "nothing answers at http://127.0.0.1:9 as it should" in gone.stdout
    assert "refuses the key" in refused.stdout
    assert "Traceback" not in gone.stdout + refused.stdout


def test_without_a_url_the_suite_says_what_it_lacks(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, "jan_ort_conformance.http", "-rs")

    assert run.returncode == 0
    assert "--jan-ort-url URL" in run.stdout
