"""What keeps a server from starting is told in one line that names it, and by the exit status."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.server_process import environment


def refused(directory: Path, *flags: str, **settings: str) -> str:
    """Run a server that must not come up, and return the line that says why."""
    result = subprocess.run(
        [sys.executable, "-m", "jan_ort", "serve", "--port", "0", *flags],
        cwd=directory,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert result.returncode not in (0, -6, -11), result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ") or " ERROR " in line]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("flags", "needles"),
    [
        (["--backend", "referense"], ["'referense'", "did you mean 'reference'"]),
        (["--num-slots", "none"], ["--num-slots", "JAN_ORT_NUM_SLOTS", "'none'"]),
        (["--host", "0.0.0.0", "--backend", "reference"], ["--host 0.0.0.0", "--api-key", "--allow-unauthenticated"]),
        (["--model", "nowhere/at/all/model.gguf"], ["nowhere/at/all/model.gguf"]),
        (["--backend", "onnxruntime", "--model", "reference"], ["reference"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_bad_setting_is_refused(tmp_path: Path, flags: list[str], needles: list[str]) -> None:
    line = refused(tmp_path, *flags)

    assert [needle for needle in needles if needle not in line] == []


def test_a_bad_variable_is_refused(tmp_path: Path) -> None:
    line = refused(tmp_path, JAN_ORT_WEIGHTS="int2")

    assert "JAN_ORT_WEIGHTS" in line
    assert "'int2'" in line


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        line = refused(tmp_path, "--backend", "reference", "--port", str(port))

    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "photo.jpg").write_bytes(b"")

    assert "holiday" in refused(tmp_path, "--model", str(tmp_path / "holiday"))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\x05" + bytes(15), b"not a model"])
def test_a_truncated_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "short.gguf").write_bytes(content)

    line = refused(tmp_path, "--model", str(tmp_path / "short.gguf"), "--cache-dir", str(tmp_path / "cache"))

    assert "short.gguf" in line


@pytest.mark.parametrize("settings", [{"PIP_NO_INDEX": "1"}, {"PIP_RETRIES": "0"}], ids=["no index", "nobody listens"])
def test_without_network_and_cache_the_start_is_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    if "PIP_NO_INDEX" not in settings:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            settings |= {"PIP_INDEX_URL": f"http://127.0.0.1:{closed.getsockname()[1]}/simple"}

    line = refused(tmp_path, JAN_ORT_CACHE_DIR=str(tmp_path / "cache"), **settings)

    assert "smollm2-135m-instruct could not be downloaded" in line
    assert "--model" in line


def test_under_hypercorn_a_bad_setting_ends_the_start_too(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "hypercorn", "jan_ort:app", "--bind", "127.0.0.1:0"],
        cwd=tmp_path,
        env=environment(JAN_ORT_NUM_SLOTS="none"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "--num-slots (JAN_ORT_NUM_SLOTS) is 'none'" in result.stderr + result.stdout


def test_under_hypercorn_an_app_that_cannot_be_imported_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "quart.py").write_text("raise ImportError('a broken installation')")

    result = subprocess.run(
        [sys.executable, "-m", "hypercorn", "jan_ort:app", "--bind", "127.0.0.1:0", "--workers", "0"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode != 0
    assert "a broken installation" in result.stderr + result.stdout
