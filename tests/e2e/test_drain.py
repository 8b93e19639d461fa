"""What runs when a server is told to end finishes; what is new is sent elsewhere; what is cut looks cut."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.commands.running import add_plugin
from tests.e2e.reading import Reading
from tests.e2e.server_process import ServerProcess, environment, hypercorn, serve
from tests.e2e.test_lifecycle import wait_for
from tests.signals import SERVICE_STOP, send_signal

BODY: dict[str, Any] = {"prompt": "a", "max_tokens": 20, "min_tokens": 20}

GATED = """
import pathlib, time
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession

GATE = pathlib.Path(__file__).with_name("gate")


class Session(ReferenceSession):
    def step(self, batch):
        while self.length(batch[0].slot) > 10 and not GATE.exists():
            time.sleep(0.01)
        return super().step(batch)


class Gated(ReferenceBackend):
    builtin_models = {"reference": ReferenceBackend.builtin_models["reference"]}
    name = "gated"

    def open(self, model_dir, options):
        return Session(options.num_slots, 512)


backend = Gated()
"""
"""Stops in the middle of an answer until the file ``gate`` is there."""


@pytest.fixture(params=["30", "0.5"])
def drain_s(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def gated(tmp_path: Path, drain_s: str) -> Iterator[ServerProcess]:
    add_plugin(tmp_path, "gated", GATED)
    env = environment(PYTHONPATH=str(tmp_path))
    with serve(tmp_path, "--backend", "gated", "--num-slots", "1", "--drain-s", drain_s, env=env) as server:
        try:
            yield server
        finally:
            (tmp_path / "gate").touch()


def queued(server: ServerProcess, *, http2: bool) -> tuple[Reading, Reading]:
    """Return a plain answer and a stream that wait behind the one that runs."""
    plain = Reading(server.url, BODY, http2=http2)
    assert plain.sent.wait(20)
    chat = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 20, "min_tokens": 20, "stream": True}
    stream = Reading(server.url, chat, "/v1/chat/completions", http2=http2)
    assert stream.begun.wait(20), "its role comes at once"
    return plain, stream


def tell_to_end(server: ServerProcess) -> None:
    send_signal(server.process.pid, signal.SIGTERM)
    wait_for(server.log, "s to finish")


@pytest.mark.parametrize("drain_s", ["30"], indirect=True)
@pytest.mark.parametrize("http2", [False, True])
def test_what_runs_and_what_waits_finish_and_what_is_new_is_refused(
    gated: ServerProcess, tmp_path: Path, http2: bool
) -> None:
    running = Reading(gated.url, BODY | {"stream": True}, http2=http2)
    assert running.begun.wait(20)
    plain, stream = queued(gated, http2=http2)

    tell_to_end(gated)
    with httpx.Client(http1=not http2, http2=http2) as client:
        refused = [client.get(f"{gated.url}/health"), client.post(f"{gated.url}/v1/completions", json=BODY)]
    (tmp_path / "gate").touch()
    status = gated.process.wait(20)

    assert status == 0
    assert [each.status_code for each in refused] == [503, 503]
    assert {each.json()["error"]["code"] for each in refused} == {"server_draining"}
    assert {each.headers["Retry-After"] for each in refused} == {"2"}
    assert {each.headers.get("Connection") for each in refused} == {None if http2 else "close"}
    assert [each.events()[-1] for each in (running, stream)] == ["data: [DONE]"] * 2
    assert json.loads(plain.whole())["usage"]["completion_tokens"] == 20
    assert [each.failure for each in (running, stream, plain)] == [None] * 3


@pytest.mark.parametrize("drain_s", ["0.5"], indirect=True)
@pytest.mark.parametrize(("http2", "told"), [(False, "incomplete chunked read"), (True, "StreamReset")])
def test_what_does_not_finish_in_time_is_told_why_and_looks_cut(
    gated: ServerProcess, tmp_path: Path, http2: bool, told: str
) -> None:
    running = Reading(gated.url, BODY | {"stream": True}, http2=http2)
    assert running.begun.wait(20)
    plain, stream = queued(gated, http2=http2)

    tell_to_end(gated)
    wait_for(gated.log, "are cut")
    (tmp_path / "gate").touch()  # a backend that never comes back is waited for, too, but that is another matter
    status = gated.process.wait(20)

    assert status == 0
    for each in (running, stream):
        assert json.loads(each.events()[-1].removeprefix("data: "))["error"]["code"] == "shutting_down"
        assert told in str(each.failure)
    assert (plain.whole()[:9], plain.status, plain.failure) == ('{"error":', 503, None)
    assert "Traceback" not in gated.log.read_text()


@pytest.mark.parametrize("drain_s", ["30"], indirect=True)
def test_a_second_signal_ends_the_wait(gated: ServerProcess) -> None:
    running = Reading(gated.url, BODY | {"stream": True})
    assert running.begun.wait(20)

    tell_to_end(gated)
    time.sleep(0.2)  # at once it would be the same signal, sent to the process and to its group
    status, _ = gated.end(signal.SIGTERM)

    assert status == 128 + SERVICE_STOP
    assert running.whole()
    assert "incomplete chunked read" in str(running.failure)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_hypercorns_command_lets_finish_what_its_own_time_allows(tmp_path: Path, workers: str) -> None:
    add_plugin(tmp_path, "gated", GATED)
    given = {"JAN_ORT_BACKEND": "gated", "JAN_ORT_DRAIN_S": "25", "PYTHONPATH": str(tmp_path)}
    with hypercorn(tmp_path, "--graceful-timeout", "30", "--workers", workers, **given) as server:
        running = Reading(server.url, BODY | {"stream": True})
        assert running.begun.wait(20)

        send_signal(server.process.pid, signal.SIGTERM)
        time.sleep(3.5)  # longer than hypercorn waits by itself, and than a client that does not read is waited for
        (tmp_path / "gate").touch()
        status = server.process.wait(20)

    assert status == 0
    assert running.events()[-1] == "data: [DONE]"
    assert running.failure is None
