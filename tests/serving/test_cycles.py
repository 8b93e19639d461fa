"""Loading and unloading again and again takes no more descriptors, threads and memory than doing it a few times."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from tests.e2e.server_process import ServerProcess, serve
from tests.serving.several import cached

pytestmark = pytest.mark.skipif("sys.platform == 'win32'", reason="there are no descriptors")


class Usage(NamedTuple):
    num_descriptors: int
    num_threads: int
    megabytes: int


def usage(server: ServerProcess) -> Usage:
    process = psutil.Process(server.process.pid)
    return Usage(process.num_fds(), process.num_threads(), process.memory_info().rss // 2**20)


def cycle(client: httpx.Client, num_cycles: int) -> None:
    """Load the models, ask each, and unload them."""
    bodies = [("/v1/completions", {"prompt": "a", "max_tokens": 2}), ("/v1/embeddings", {"input": "a"})]
    for _ in range(num_cycles):
        for path, body in [("/models/load", {}), *bodies, ("/models/unload", {})]:
            client.post(path, json=body).raise_for_status()


def grown(server: ServerProcess, num_cycles: int) -> Usage:
    """Return what more is in use after so many cycles than after the first three, in which threads are started."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        cycle(client, 3)
        before = usage(server)
        cycle(client, num_cycles)
        after = usage(server)
    return Usage(*(later - earlier for later, earlier in zip(after, before, strict=True)))


def test_thirty_cycles_leave_no_descriptors_and_threads(tmp_path: Path) -> None:
    models = cached(tmp_path, "ada"), cached(tmp_path, "eve", task="embed")
    flags = ("--backend", "reference", "--model", str(models[0]), "--embedding-model", str(models[1]))
    with serve(tmp_path, *flags) as server:
        more = grown(server, 30)

    assert more.num_descriptors == 0
    assert more.num_threads < 15  # fewer than one every second time: asyncio starts some of its own as it likes
    assert list(tmp_path.rglob(".*.use-*")) == []


@pytest.mark.weights
def test_ten_cycles_of_real_weights_leave_no_memory(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        more = grown(server, 10)

    assert more.num_descriptors == 0
    assert more.num_threads < 5
    assert more.megabytes < 100, "one model's weights take more"
