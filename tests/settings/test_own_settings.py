"""What whoever runs the tests has configured for themselves changes neither the tests nor the servers they start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.server_process import environment, serve

ROOT = Path(__file__).parents[1]
ONE_TEST = "tests/serving/test_unloading.py::test_unloading_twice_at_once_and_again_is_no_error"


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, in a file and in variables, with which no server starts."""
    for name in ("XDG_CONFIG_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    for folder in ("jan-ort", "jan-ort/jan-ort"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.toml").write_text("num_slots = 0\n")
    monkeypatch.setenv("JAN_ORT_API_KEY", "mine")
    monkeypatch.setenv("JAN_ORT_CONFIG", str(tmp_path / "absent.toml"))


@pytest.mark.usefixtures("configured")
def test_a_server_that_a_test_starts_has_no_settings_of_the_users(tmp_path: Path) -> None:
    with serve(tmp_path, "--backend", "reference") as server:
        answer = httpx.get(f"{server.url}/v1/models")

    assert answer.status_code == 200


@pytest.mark.usefixtures("configured")
def test_a_test_has_no_settings_of_the_users() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", ONE_TEST]

    run = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120)

    assert run.returncode == 0, run.stdout


@pytest.mark.usefixtures("configured")
def test_the_cache_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_CACHE_DIR", "/somewhere")

    kept = {name: value for name, value in environment().items() if name.startswith("JAN_ORT_")}

    assert {name: kept.get(name) for name in ("JAN_ORT_CACHE_DIR", "JAN_ORT_API_KEY", "JAN_ORT_CONFIG")} == {
        "JAN_ORT_CACHE_DIR": "/somewhere",
        "JAN_ORT_API_KEY": None,
        "JAN_ORT_CONFIG": None,
    }
