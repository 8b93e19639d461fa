"""With real weights, an unloaded model's memory is the system's again."""

from __future__ import annotations

from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from tests.e2e.server_process import ServerProcess, serve

pytestmark = pytest.mark.weights


def resident_bytes(server: ServerProcess) -> int:
    """Return the memory of the process that serves."""
    return int(psutil.Process(server.process.pid).memory_info().rss)


def post(server: ServerProcess, path: str, body: dict[str, object]) -> None:
    httpx.post(f"{server.url}{path}", json=body, timeout=60).raise_for_status()


def use(server: ServerProcess) -> None:
    """Ask both models for something."""
    post(server, "/v1/completions", {"prompt": "The sun", "max_tokens": 16})
    post(server, "/v1/embeddings", {"input": ["The sun rises.", "The moon sets."]})


def test_unloading_returns_most_of_what_loading_took(tmp_path: Path) -> None:
    with serve(tmp_path, "--load", "request") as server:
        use(server)  # what is imported with the first models stays
        post(server, "/models/unload", {})
        before = resident_bytes(server)
        use(server)
        loaded = resident_bytes(server)
        post(server, "/models/unload", {})
        after = resident_bytes(server)

    megabytes = [each // 2**20 for each in (before, loaded, after)]
    assert loaded - before > 100 * 2**20, megabytes
    assert after - before < (loaded - before) / 2, megabytes
