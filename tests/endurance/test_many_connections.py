"""``python -m pytest tests/endurance/test_many_connections.py``: 400 connections, 256 descriptors."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.server_process import ServerProcess, hypercorn, serve

if sys.platform == "win32":
    pytest.skip("processes have no such limit there", allow_module_level=True)

import resource

NUM_CONNECTIONS = 400
BEGUN = {
    "nothing": b"",
    "half a head": b"GET /health HT",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]),
    "half a body": b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000\r\n\r\n{",
}


def by_serve(directory: Path) -> Iterator[ServerProcess]:
    with serve(directory, "--backend", "reference") as server:
        yield server


def by_hypercorn(directory: Path) -> Iterator[ServerProcess]:
    with hypercorn(directory, JAN_ORT_BACKEND="reference") as server:
        yield server


@contextmanager
def file_limit(soft: int) -> Iterator[None]:
    """Bound the files that a process started meanwhile may open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("start", [by_serve, by_hypercorn])
@pytest.mark.parametrize("begun", BEGUN)
def test_a_client_is_served_beside_400_that_do_nothing(
    tmp_path: Path, begun: str, start: Callable[[Path], Iterator[ServerProcess]]
) -> None:
    with ExitStack() as stack:
        with file_limit(256):
            server = stack.enter_context(contextmanager(start)(tmp_path))
        port = int(server.url.rpartition(":")[2])
        for _ in range(NUM_CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            connection.sendall(BEGUN[begun])

        client = stack.enter_context(httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0)))
        started = time.monotonic()
        for _ in range(20):
            assert client.get(f"{server.url}/health").status_code == 200
        print(f"20 answers after {time.monotonic() - started:.2f} s")
        log = server.log.read_text()

    assert "Traceback" not in log
    assert sum(" WARNING " in line or "idle connection" in line for line in log.splitlines()) < 30, "a line a second"
