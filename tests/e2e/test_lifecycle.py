"""How a server ends, and what clients that come, leave or push at a bad moment see of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.cli.commands.running import add_plugin
from tests.e2e.reading import Reading
from tests.e2e.server_process import ServerProcess, environment, hypercorn, serve, serve_without_streams
from tests.signals import SERVICE_STOP, send_signal

LONG: dict[str, Any] = {"prompt": ["a"] * 200, "max_tokens": 400, "min_tokens": 400, "stream": True}
"""Takes the reference backend half a minute."""


def by_cli(directory: Path) -> Any:
    return serve(directory, "--backend", "reference", "--drain-s", "0")


def by_hypercorn(directory: Path) -> Any:
    return hypercorn(directory, JAN_ORT_BACKEND="reference", JAN_ORT_DRAIN_S="0")


def by_hypercorn_alone(directory: Path) -> Any:
    return hypercorn(directory, "--workers", "0", JAN_ORT_BACKEND="reference", JAN_ORT_DRAIN_S="0")


def by_two_workers(directory: Path) -> Any:
    return hypercorn(directory, "--workers", "2", JAN_ORT_BACKEND="reference", JAN_ORT_DRAIN_S="0")


def wait_for_every_worker(url: str) -> None:
    """Return once ten connections in a row are answered by a worker that is ready; one may be ready before another."""
    deadline, num_ready = time.monotonic() + 60, 0
    while num_ready < 10:
        assert time.monotonic() < deadline
        num_ready = num_ready + 1 if httpx.get(f"{url}/health", timeout=5).status_code == 200 else 0


@pytest.mark.slow
@pytest.mark.parametrize("start", [by_cli, by_hypercorn, by_hypercorn_alone, by_two_workers])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_and_its_streams_in_order(
    tmp_path: Path, start: Callable[[Path], Any], number: signal.Signals
) -> None:
    with start(tmp_path) as server:
        wait_for_every_worker(server.url)
        stream = Reading(server.url, LONG)
        assert stream.begun.wait(20)

        status, seconds = server.end(number)
        events = stream.events()

    assert status == 0
    assert seconds < 5
    assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "shutting_down"
    assert "incomplete chunked read" in str(stream.failure)
    assert "Traceback" not in server.log.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")
def test_a_terminal_that_closes_ends_the_server_in_order(tmp_path: Path) -> None:
    with by_cli(tmp_path) as server:
        stream = Reading(server.url, LONG)
        assert stream.begun.wait(20)

        status, _ = server.end(signal.SIGHUP)
        events = stream.events()

    assert status == 0
    assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "shutting_down"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")
def test_under_nohup_a_terminal_that_closes_ends_nothing(tmp_path: Path) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a process hands on
    try:
        with by_cli(tmp_path) as server:
            os.kill(server.process.pid, signal.SIGHUP)

            assert httpx.get(f"{server.url}/health", timeout=5).status_code == 200
            assert server.end()[0] == 0
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_an_idle_connection_does_not_delay_the_end(tmp_path: Path) -> None:
    with by_cli(tmp_path) as server, httpx.Client() as client:
        assert client.get(f"{server.url}/health").status_code == 200  # the connection stays open

        status, seconds = server.end()

    assert status == 0
    assert seconds < 5


def stop_reading(server: ServerProcess, body: dict[str, Any]) -> socket.socket:
    """Ask for a stream, read its beginning, and then nothing until nothing more can be sent to us."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # before connecting: it is announced there
    connection.connect((host, int(port)))
    send(connection, host, body)
    connection.recv(300)
    wait_until_idle(psutil.Process(server.process.pid))
    return connection


def wait_until_idle(process: psutil.Process) -> None:
    deadline = time.monotonic() + 60
    while process.cpu_percent(0.5) > 5:
        assert time.monotonic() < deadline, "the server never comes to rest"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_client_that_has_stopped_reading_does_not_delay_the_end(tmp_path: Path, number: signal.Signals) -> None:
    body = {"prompt": ["a"] * 40, "max_tokens": 400, "min_tokens": 400, "logprobs": 20, "stream": True}
    with by_cli(tmp_path) as server, stop_reading(server, body):
        status, seconds = server.end(number)

    assert status == 0
    assert seconds < 8
    assert "Traceback" not in server.log.read_text()


def test_a_second_signal_ends_the_server_at_once(tmp_path: Path) -> None:
    with hanging_close(tmp_path) as server:
        send_signal(server.process.pid, signal.SIGTERM)
        wait_for(server.log, "is closing")
        time.sleep(0.2)  # at once it would be the same signal, sent to the process and to its group
        status, _ = server.end(signal.SIGTERM)

    assert status == 128 + SERVICE_STOP
    assert "ended by a second signal" in server.log.read_text()


def test_a_signal_that_comes_twice_at_once_is_one(tmp_path: Path) -> None:
    with by_cli(tmp_path) as server:
        send_signal(server.process.pid, signal.SIGTERM)
        status, _ = server.end(signal.SIGTERM)

    assert status == 0
    assert "second signal" not in server.log.read_text()


def hanging_close(directory: Path) -> Any:
    """A server whose model never closes."""
    add_plugin(directory, "slow_end", HANGING_CLOSE)
    env = environment(PYTHONPATH=str(directory))
    return serve(directory, "--backend", "slow_end", env=env)


def wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


HANGING_CLOSE = """
import logging, threading
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession


class Session(ReferenceSession):
    def close(self):
        logging.getLogger("jan_ort").warning("the session is closing")
        threading.Event().wait()


class SlowEnd(ReferenceBackend):
    builtin_models = {"reference": ReferenceBackend.builtin_models["reference"]}
    name = "slow_end"

    def open(self, model_dir, options):
        return Session(options.num_slots, 512)


backend = SlowEnd()
"""


def test_a_signal_while_loading_ends_the_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a package index that takes the call and says nothing
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        env = environment(JAN_ORT_CACHE_DIR=str(tmp_path / "cache"), PIP_INDEX_URL=index, PIP_RETRIES="0")
        with serve(tmp_path, env=env, wait=False) as server:
            connection, _ = silent.accept()
            answer = httpx.get(f"{server.url}/health")
            children = psutil.Process(server.process.pid).children()
            groups = {group_of(child.pid) for child in children}
            own_group = group_of(server.process.pid)
            status, seconds = server.end()
            connection.close()

    assert children, "pip runs"
    assert own_group not in groups, "Ctrl-C in a terminal would end pip, too, as if the download had failed"
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "server_loading"
    assert status == 0
    assert seconds < 5


def group_of(pid: int) -> int:
    """Return whom Ctrl-C is for. Windows tells nobody: the group of each is taken for its own."""
    return pid if sys.platform == "win32" else os.getpgid(pid)


def test_a_client_that_hangs_up_makes_room(tmp_path: Path) -> None:
    with serve(tmp_path, "--backend", "reference", "--max-queued", "1") as server:
        for stream in (True, False):
            hang_up(server, LONG | {"stream": stream})
            deadline = time.monotonic() + 5
            while (answer := short_request(server)).status_code == 429 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert answer.status_code == 200, stream


def hang_up(server: ServerProcess, body: dict[str, Any]) -> None:
    """Send a request, wait until it is being computed, and close the socket."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        send(connection, host, body)
        deadline = time.monotonic() + 10
        while short_request(server).status_code != 429:
            assert time.monotonic() < deadline, "the request is never computed"


def send(connection: socket.socket, host: str, body: dict[str, Any]) -> None:
    """Send a request for a completion."""
    raw = json.dumps(body).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    connection.sendall(head.encode() + f"Content-Length: {len(raw)}\r\n\r\n".encode() + raw)


def short_request(server: ServerProcess) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/completions", json={"max_tokens": 1}, timeout=20)


def test_a_body_over_the_limit_is_answered_although_it_is_still_being_sent(tmp_path: Path) -> None:
    with by_cli(tmp_path) as server:
        answer = httpx.post(f"{server.url}/v1/completions", json={"prompt": "a" * 20_000_000}, timeout=30)

        assert answer.status_code == 413
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_a_missing_key_is_answered_before_the_body_has_come(tmp_path: Path) -> None:
    with serve(tmp_path, "--backend", "reference", "--api-key", "k3y") as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(
                b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 1000\r\n\r\n{"
            )

            answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 401")
    assert b"www-authenticate: bearer" in answer.lower()


def test_head_has_no_body(tmp_path: Path) -> None:
    with by_cli(tmp_path) as server:
        answer = httpx.head(f"{server.url}/health")

    assert answer.status_code == 200
    assert answer.content == b""


def test_a_server_without_standard_streams_serves(tmp_path: Path) -> None:
    with serve_without_streams(tmp_path, "--backend", "reference") as server:
        status, _ = server.end()

    assert status == 0
