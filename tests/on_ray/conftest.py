"""A server on a Ray of this machine, whose device takes its time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands.running import add_plugin
from tests.e2e.server_process import ServerProcess, environment, free_port, ready, running
from tests.sleeping import SLEEPING

NUM_REPLICAS = 2


@pytest.fixture(scope="session")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    pytest.importorskip("ray.serve", reason="Ray is not installed (pip install -e '.[ray]')")
    directory = tmp_path_factory.mktemp("ray")
    add_plugin(directory, "sleeping", SLEEPING)
    port = free_port()
    flags = ["--port", str(port), "--on", "ray", "--replicas", str(NUM_REPLICAS)]
    flags += ["--backend", "sleeping", "--model", "reference"]
    command = [sys.executable, "-m", "jan_ort", "serve", *flags]
    with running(command, Path(directory), environment(PYTHONPATH=str(directory), STEP_S="0.02"), 60) as (process, log):
        server = ready(process, f"http://127.0.0.1:{port}", log)
        yield server
        status, _ = server.end(timeout_s=60)
        assert status == 0, log.read_text()[-4000:]
