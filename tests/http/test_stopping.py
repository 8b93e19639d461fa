"""A server that stops: what was taken may finish, what is new is refused, and what is cut has no end."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from quart import Quart

from jan_ort.http import launcher
from jan_ort.http.launcher import default_drain_s
from tests.http.handlers.serving import COMPLETIONS, Client, engine_of, post, server_of, serving, stream, until
from tests.http.handlers.test_leaving import ENDLESS, slow_down
from tests.http.test_leases import Exchange


async def test_what_was_taken_finishes_and_what_is_new_is_refused(client: Client, app: Quart) -> None:
    running = asyncio.create_task(stream(client, COMPLETIONS, {"prompt": "a", "max_tokens": 300, "min_tokens": 300}))
    await until(lambda: engine_of(app).num_queued == 1)

    stopping = asyncio.create_task(server_of(app).stop(30))
    await until(lambda: server_of(app).status == "draining")
    health = await client.get("/health")
    status, answer = await post(client, COMPLETIONS, {})
    await stopping

    assert (await running)[-1] == "[DONE]"
    assert (health.status_code, health.headers["Connection"], health.headers["Retry-After"]) == (503, "close", "2")
    assert (status, answer["error"]["code"]) == (503, "server_draining")


async def test_a_model_is_still_loaded_for_what_was_taken() -> None:
    async with serving(load="request") as app:
        server = server_of(app)
        running = asyncio.create_task(post(app.test_client(), COMPLETIONS, {"max_tokens": 2}))
        await until(lambda: server._num_requests == 1)

        await server.stop(30)

        assert (await running)[0] == 200


async def test_an_idle_server_stops_at_once(app: Quart) -> None:
    async with asyncio.timeout(5):
        await server_of(app).stop(3600)


async def test_a_client_that_goes_ends_the_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as app:
        slow_down(app, monkeypatch)
        exchange = Exchange(app, COMPLETIONS, ENDLESS)
        await until(lambda: engine_of(app).num_queued == 1)

        stopping = asyncio.create_task(server_of(app).stop(3600))
        await until(lambda: server_of(app).status == "draining")
        await exchange.leave()

        async with asyncio.timeout(10):
            await stopping


async def test_a_stream_that_fails_has_no_last_message(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as app:
        slow_down(app, monkeypatch)
        exchange = Exchange(app, COMPLETIONS, ENDLESS | {"stream": True})
        exchange.read(10_000)
        await until(lambda: len(exchange.sent) > 1)

        await server_of(app).stop()
        await asyncio.wait({exchange.done})

    bodies = [message for message in exchange.sent if message["type"] == "http.response.body"]
    assert all(message["more_body"] for message in bodies), "its server then cuts the connection"
    assert b"shutting_down" in bodies[-1]["body"]
    assert exchange.done.exception() is None, "which would be logged"


@pytest.mark.parametrize(("streams", "seconds"), [((True, False), 0), ((False, True), 0), ((False, False), 30)])
def test_a_terminal_waits_for_nobody(monkeypatch: pytest.MonkeyPatch, streams: tuple[bool, bool], seconds: int) -> None:
    answers = dict(zip((sys.stdin, sys.stderr), streams, strict=True))
    monkeypatch.setattr(launcher, "_is_terminal", answers.get)

    assert default_drain_s() == seconds


@pytest.mark.parametrize("name", ["stdin", "stderr"])
def test_nothing_is_no_terminal(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with Path(os.devnull).open() as nothing:  # which Windows' isatty takes for one
        monkeypatch.setattr(sys, name, nothing)

        assert default_drain_s() == 30


def test_a_service_of_windows_has_no_standard_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stderr", None)

    assert default_drain_s() == 30
