"""Replicas are added while requests wait, and answer."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.commands.running import add_plugin
from tests.e2e.server_process import environment, free_port, ready, running
from tests.on_ray.test_ray import replicas
from tests.sleeping import SLEEPING

NUM_CLIENTS = 12
AT_MOST = 2
WAIT_S = 400.0


@pytest.mark.timeout(600)
def test_a_second_replica_comes_under_load_and_takes_its_part(tmp_path: Path) -> None:
    pytest.importorskip("ray.serve", reason="Ray is not installed (pip install -e '.[ray]')")
    add_plugin(tmp_path, "sleeping", SLEEPING)
    port = free_port()
    flags = ["--port", str(port), "--on", "ray", "--max-replicas", str(AT_MOST), "--num-slots", "2"]
    command = [sys.executable, "-m", "jan_ort", "serve", *flags, "--backend", "sleeping", "--model", "reference"]
    with running(command, tmp_path, environment(PYTHONPATH=str(tmp_path), STEP_S="0.1"), 60) as (process, log):
        server = ready(process, f"http://127.0.0.1:{port}", log)
        client = server.client(timeout=WAIT_S)
        before, deadline = len(replicas(server)), time.monotonic() + WAIT_S

        def ask(number: int) -> int:
            answered = 0
            while len(replicas(server)) < AT_MOST and time.monotonic() < deadline:
                messages = [{"role": "user", "content": f"{number}"}]
                client.chat.completions.create(model="reference", messages=messages, max_tokens=10)  # type: ignore[arg-type]
                answered += 1
            return answered

        with ThreadPoolExecutor(NUM_CLIENTS) as pool:
            answered = list(pool.map(ask, range(NUM_CLIENTS)))

        assert before == 1
        assert len(replicas(server)) == AT_MOST, log.read_text()[-4000:]
        assert min(answered) >= 1, "nobody was refused, and nobody was left out"
