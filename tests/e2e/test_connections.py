"""Connections that clients have closed hold no descriptor of the server's."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import psutil

from tests.e2e.server_process import ServerProcess, serve


def num_connections(server: ServerProcess) -> int:
    connections = psutil.Process(server.process.pid).net_connections("tcp")
    return sum(connection.status != psutil.CONN_LISTEN for connection in connections)


def test_a_closed_keep_alive_connection_is_let_go_at_once(tmp_path: Path) -> None:
    with serve(tmp_path, "--backend", "reference") as server:
        for _ in range(30):
            assert httpx.get(f"{server.url}/health").status_code == 200
        deadline = time.monotonic() + 5

        while num_connections(server) and time.monotonic() < deadline:
            time.sleep(0.05)

        assert num_connections(server) == 0


def test_an_idle_connection_that_its_client_keeps_stays_open(tmp_path: Path) -> None:
    with serve(tmp_path, "--backend", "reference") as server, httpx.Client() as client:
        client.get(f"{server.url}/health")
        time.sleep(1)

        assert num_connections(server) == 1
        assert client.get(f"{server.url}/health").status_code == 200
        assert num_connections(server) == 1
