"""Bodies that stay half-sent take no more memory than all may, and keep nobody out."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from jan_ort.http import app
from tests.http.handlers.serving import until
from tests.http.protocol.raw_clients import COMPLETIONS, HEALTH, Fields, Http2Client, ask, http2, listening_server

BYTES = 2**19
POST: Fields = [(":method", "POST"), (":path", "/v1/completions"), (":scheme", "http"), (":authority", "localhost")]


def abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def honest(size: int) -> bytes:
    body = json.dumps({"prompt": "a", "max_tokens": 1, "user": "u" * size}).encode()
    return COMPLETIONS + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def half_of_h1(stack: AsyncExitStack, port: int) -> asyncio.StreamReader:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.close)
    writer.write(COMPLETIONS + b"Content-Length: %d\r\n\r\n" % (BYTES + 9) + b'{"user":"' + b"x" * (BYTES - 9))
    await writer.drain()
    return reader


async def half_of_h2(stack: AsyncExitStack, port: int) -> Http2Client:
    client = await stack.enter_async_context(http2(port))
    stream = client.request([*POST, ("content-type", "application/json")], end_stream=False)
    num_left = BYTES

    def send() -> bool:
        nonlocal num_left
        while num_left and (room := client.connection.local_flow_control_window(stream)):
            size = min(room, num_left, client.connection.max_outbound_frame_size)
            client.send(stream, b"x" * size)
            num_left -= size
        return not num_left

    await client.read_until(send)
    return client


@pytest.mark.parametrize("half", [half_of_h1, half_of_h2])
async def test_who_sends_a_body_is_served_whatever_others_have_left_half_sent(half: object) -> None:
    async with listening_server(max_body_bytes=2**20, body_memory_mb=2) as (port, _), AsyncExitStack() as stack:
        for _ in range(12):
            await half(stack, port)  # type: ignore[operator]
        answers = [await ask(port, honest(size)) for size in (1, 30_000, BYTES, 1_000_000)]

    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 4


async def test_one_that_gives_way_is_told_so() -> None:
    async with listening_server(max_body_bytes=2**20, body_memory_mb=2) as (port, _), AsyncExitStack() as stack:
        readers = [await half_of_h1(stack, port) for _ in range(8)]
        async with asyncio.timeout(20):
            reading = [asyncio.ensure_future(each.read()) for each in readers]
            done, waiting = await asyncio.wait(reading, timeout=1)
            while len(done) < 4:
                done, waiting = await asyncio.wait(reading, timeout=1)
        for each in waiting:
            each.cancel()

    for answer in (each.result() for each in done):
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503"), answer
        assert b"retry-after: 2" in head
        assert f"{2 * 2**20} are allowed" in json.loads(body)["error"]["message"]


async def test_bodies_that_nobody_reads_are_not_kept() -> None:
    """An answer that its client does not take may last for half a minute, and the body of its request comes in it."""
    length = b"Content-Length: %d\r\n\r\n" % (BYTES + 9)
    async with listening_server(max_body_bytes=2**20, body_memory_mb=1) as (port, _), AsyncExitStack() as stack:
        for _ in range(8):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            stack.callback(abort, writer)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(HEALTH.replace(b"/health", b"/openapi.json").replace(b"\r\n\r\n", b"\r\n" + length))
            writer.write(b"x" * BYTES)
            await writer.drain()

        assert (await ask(port, honest(900_000))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("goes_on", [False, True])
async def test_half_a_body_does_not_hold_a_drain(goes_on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_GRACE_S", 0.3)
    async with listening_server() as (port, server), AsyncExitStack() as stack:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        writer.write(COMPLETIONS + b"Content-Length: 1000\r\n\r\n{")
        await until(lambda: server._num_requests == 1)

        stopping = asyncio.create_task(server.stop(3600))
        reading = asyncio.ensure_future(reader.read())
        async with asyncio.timeout(20):
            while not stopping.done():
                writer.write(b" " * goes_on)
                await asyncio.wait({stopping}, timeout=0.05)
            answer = await reading

    assert answer.startswith(b"HTTP/1.1 503")
    assert b'"server_draining"' in answer


async def test_a_body_that_is_whole_soon_after_a_drain_has_begun_is_answered() -> None:
    async with listening_server() as (port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = honest(10)
        writer.write(sent[:-5])
        await until(lambda: server._num_requests == 1)

        stopping = asyncio.create_task(server.stop(3600))
        await until(lambda: server.is_stopping)
        writer.write(sent[-5:])

        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await stopping
        writer.close()
