"""A cached model is not removed while a server holds it, and a server that has ended, however, holds nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.server_process import READY_S, ServerProcess, environment, serve
from tests.serving.several import cached

LINKS_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")


def remove(cache_dir: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jan_ort", "models", "remove", "mine", "--yes", "--cache-dir", str(cache_dir)]
    return subprocess.run(command, env=environment(), cwd=cache_dir, capture_output=True, text=True, timeout=READY_S)


def change(server: ServerProcess, path: str) -> None:
    httpx.post(f"{server.url}/models/{path}", json={}, timeout=30).raise_for_status()


def marks(cache_dir: Path) -> list[Path]:
    return list(cache_dir.rglob("*.use-*"))


def unload(server: ServerProcess) -> None:
    change(server, "unload")


def stop(server: ServerProcess) -> None:
    assert server.end()[0] == 0


def kill(server: ServerProcess) -> None:
    server.process.kill()
    server.process.wait(10)


@pytest.mark.parametrize("option", ["--model", "--embedding-model"])
@pytest.mark.parametrize("end", [unload, stop, kill])
def test_a_model_is_removed_only_once_its_server_has_let_go_of_it(
    tmp_path: Path, option: str, end: Callable[[ServerProcess], None]
) -> None:
    folder = cached(tmp_path, "mine", task="generate" if option == "--model" else "embed")
    with serve(tmp_path, "--backend", "reference", option, str(folder)) as server:
        refused = remove(tmp_path)
        end(server)
        allowed = remove(tmp_path)

    assert (refused.returncode, allowed.returncode) == (1, 0), allowed.stderr
    assert f"in use by process {server.process.pid}; stop the server, or unload" in refused.stderr
    assert not folder.exists()
    assert marks(tmp_path) == []


@LINKS_ONLY
def test_a_model_that_is_loaded_again_is_held_again(tmp_path: Path) -> None:
    folder = cached(tmp_path, "mine")
    link = tmp_path / "link"
    link.symlink_to(folder, target_is_directory=True)
    with serve(tmp_path, "--backend", "reference", "--model", str(link)) as server:
        for _ in range(3):
            change(server, "unload")
            change(server, "load")
        held = len(marks(tmp_path))
        refused = remove(tmp_path)

    assert (held, refused.returncode) == (1, 1)


def test_a_model_that_idleness_has_unloaded_can_be_removed(tmp_path: Path) -> None:
    folder = cached(tmp_path, "mine")
    flags = ("--backend", "reference", "--model", str(folder), "--model-ttl-s", "0.2")
    with serve(tmp_path, *flags) as server:
        while httpx.get(f"{server.url}/v1/models").json()["data"][0]["metadata"]["status"] != "unloaded":
            pass
        allowed = remove(tmp_path)
        asked = httpx.post(f"{server.url}/v1/completions", json={"prompt": "a"}, timeout=30)

    assert allowed.returncode == 0, allowed.stderr
    assert (asked.status_code, asked.json()["error"]["code"]) == (503, "model_failed")
    assert str(folder) in asked.json()["error"]["message"]


def test_the_mark_of_a_crashed_server_goes_when_the_next_one_comes(tmp_path: Path) -> None:
    folder = cached(tmp_path, "mine")
    flags = ("--backend", "reference", "--model", str(folder))
    with serve(tmp_path, *flags) as crashed:
        kill(crashed)
    left = marks(tmp_path)

    with serve(tmp_path, *flags):
        found = marks(tmp_path)

    assert (len(left), len(found)) == (1, 1)
    assert left != found
