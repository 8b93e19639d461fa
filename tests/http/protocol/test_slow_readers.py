"""A client that does not read costs little, and is dropped; what its request has taken is given back."""

from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import h2.events
import h2.settings
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from jan_ort.http.protocol import write_deadline
from jan_ort.http.protocol.installation import install
from tests.http.handlers.serving import until
from tests.http.protocol.raw_clients import (
    COMPLETIONS,
    GET_HEALTH,
    HEALTH,
    Http2Client,
    changed,
    http2,
    listening_server,
)

LARGE = bytes(2**24)
"""A plain answer of 16 MB."""

NUM_READERS = 8


class Talker:
    """An app whose answers have no end, or are one large piece; it counts what it sent, and how often it ended."""

    def __init__(self) -> None:
        self.num_bytes = 0
        self.num_ended = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            install(100)
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        talking = asyncio.create_task(self._talk(scope["path"], send))
        while (await receive())["type"] != "http.disconnect":
            pass
        talking.cancel()
        self.num_ended += 1

    async def _talk(self, path: str, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while path == "/stream":
            await send({"type": "http.response.body", "body": bytes(8000), "more_body": True})
            self.num_bytes += 8000
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": LARGE})


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[int, Talker]]:
    ended, config, app = asyncio.Event(), Config(), Talker()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 0.1
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=ended.wait))
    try:
        yield port, app
    finally:
        ended.set()
        await serving


def small_socket(port: int) -> socket.socket:
    """Connect with room for a few kilobytes that are not read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    return client


@asynccontextmanager
async def not_reading(port: int, protocol: str, path: str) -> AsyncIterator[None]:
    """Send a request and read next to nothing of its answer until the block ends."""
    if protocol == "h2":
        async with http2(port) as client:
            client.request(changed(GET_HEALTH, path=path))
            await client.read_until(lambda: bool(client.of(h2.events.DataReceived)), acknowledge=False)
            yield
        return
    with small_socket(port) as client_socket:
        client_socket.sendall(HEALTH.replace(b"/health", path.encode()))
        yield


@pytest.mark.parametrize("path", ["/stream", "/plain"])
@pytest.mark.parametrize("protocol", ["h1", "h2"])
async def test_what_is_not_read_is_bounded_and_then_dropped(
    protocol: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with talking() as (port, app), AsyncExitStack() as stack:
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(NUM_READERS):
            await stack.enter_async_context(not_reading(port, protocol, path))
        num_bytes = -1
        while num_bytes != app.num_bytes:  # until nobody takes any more
            num_bytes = app.num_bytes
            await asyncio.sleep(0.2)

        now, _ = tracemalloc.get_traced_memory()

        assert (now - before) / NUM_READERS < 2**19, "what its client holds here included"
        assert app.num_ended == 0
        await stack.aclose()
        await until(lambda: app.num_ended == NUM_READERS)  # these have gone, and those that come next are dropped
        monkeypatch.setattr(write_deadline, "WRITE_DEADLINE_S", 0.05)
        async with AsyncExitStack() as others:
            for _ in range(NUM_READERS):
                await others.enter_async_context(not_reading(port, protocol, path))
            await until(lambda: app.num_ended == 2 * NUM_READERS)


@pytest.mark.parametrize("protocol", ["h1", "h2"])
async def test_the_slot_of_a_reader_that_is_dropped_is_given_back(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_deadline, "WRITE_DEADLINE_S", 0.05)
    monkeypatch.setattr(write_deadline, "PIECE_BYTES", 2**10)
    body = {"prompt": "Hello", "n": 8, "max_tokens": 400, "min_tokens": 400, "logprobs": 5, "stream": True}
    raw = json.dumps(body).encode()
    async with listening_server() as (port, server):
        resident = server.roster.residents[0]
        if protocol == "h2":
            async with http2(port) as client:
                await begin(client, raw)
                await until(lambda: resident._num_users == 1)
                await until(lambda: resident._num_users == 0)
                assert await client.status_of(client.request(GET_HEALTH)) == "200", "the connection goes on"
            return
        with small_socket(port) as client_socket:
            client_socket.sendall(COMPLETIONS + b"Content-Length: %d\r\n\r\n" % len(raw) + raw)
            await until(lambda: resident._num_users == 1)
            await until(lambda: resident._num_users == 0, timeout_s=60)


async def begin(client: Http2Client, body: bytes) -> None:
    client.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 100})
    fields = [*changed(GET_HEALTH, method="POST", path="/v1/completions"), ("content-type", "application/json")]
    client.send(client.request(fields, end_stream=False), body, end_stream=True)
