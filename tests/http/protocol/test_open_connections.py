"""Idle connections give way to new ones, the longest idle first; a client that works is served."""

from __future__ import annotations

import asyncio
import struct
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from jan_ort.http import app as quart_app
from jan_ort.http import hypercorn_server
from jan_ort.http.protocol import descriptors
from jan_ort.http.protocol.descriptors import TooManyConnections, allowed_connections
from jan_ort.http.protocol.open_connections import OpenConnections
from tests.http.protocol.raw_clients import COMPLETIONS, HEALTH, ask, http2, listening

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
OPENAPI = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
RESET = bytes([0, 0, 4, 3, 0, 0, 0, 0, 1]) + struct.pack(">I", 8)
LIMIT = 8


@dataclass(eq=False)
class FakeConnection:
    waits_since: float | None = None
    is_cut: bool = False

    def cut(self) -> None:
        self.is_cut = True


def test_the_longest_idle_gives_way_and_no_working_one() -> None:
    connections, (first, second, third) = OpenConnections(3), [FakeConnection() for _ in range(3)]
    for each in (first, second, third):
        connections.admit(each)
    connections.note(first, is_idle=False)
    connections.note(second, is_idle=False)
    connections.note(second, is_idle=True)

    assert connections.admit(FakeConnection())

    assert [each.is_cut for each in (first, second, third)] == [False, False, True]


def test_of_those_in_use_the_one_gives_way_that_waits_longest_for_its_client() -> None:
    connections = OpenConnections(3)
    used = [FakeConnection(None), FakeConnection(20.0), FakeConnection(10.0)]
    for each in used:
        connections.admit(each)
        connections.note(each, is_idle=False)

    assert connections.admit(FakeConnection())

    assert [each.is_cut for each in used] == [False, False, True]


def test_a_connection_is_refused_if_all_are_in_use() -> None:
    connections, used = OpenConnections(1), FakeConnection()
    connections.admit(used)
    connections.note(used, is_idle=False)

    assert not connections.admit(FakeConnection())
    connections.leave(used)
    assert connections.admit(FakeConnection())


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health HT",
        HEALTH,
        PREFACE,
        PREFACE + bytes([0, 0, 9, 1, 4, 0, 0, 0, 1]) + b"\x82\x84\x86\x01\x04\x02aaaa"[:9],
        COMPLETIONS + b"Content-Length: 1000\r\n\r\n{",
        COMPLETIONS + b"Content-Length: 1000\r\n\r\n{" + b"\r\n" * 10,
    ],
    ids=["nothing", "half a head", "a whole request", "h2", "h2 half a head", "half a body", "more of it"],
)
async def test_a_client_is_served_whatever_others_have_begun(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with listening(max_connections=LIMIT) as port, AsyncExitStack() as stack:
        for _ in range(3 * LIMIT):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(sent)

        answer = await ask(port, HEALTH)

    assert answer.startswith(b"HTTP/1.1 200")
    assert sum("closed an idle connection" in line for line in caplog.messages) <= 3, "a line a second"


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b""),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", b"x"),
        (PREFACE, bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + bytes(8)),
        (PREFACE + bytes([0, 0, 200, 1, 4, 0, 0, 0, 1]), b"\x82"),
    ],
    ids=["nothing", "a slow head", "PINGs", "a slow head of HTTP/2"],
)
async def test_a_connection_without_a_request_is_ended_whatever_trickles_in(
    first: bytes, again: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hypercorn_server, "KEEP_ALIVE_S", 0.2)
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(first)
        reading = asyncio.ensure_future(reader.read())  # until the server ends it

        async with asyncio.timeout(20):
            while not reading.done():
                writer.write(again)
                await asyncio.wait({reading}, timeout=0.02)

        writer.close()


async def test_a_stream_that_was_reset_leaves_its_connection_idle() -> None:
    async with listening(max_connections=1) as port, http2(port) as client:
        fields = [(":method", "POST"), (":path", "/v1/completions"), (":scheme", "http"), (":authority", "localhost")]
        stream = client.request([*fields, ("content-type", "application/json")], end_stream=False)
        client.connection.reset_stream(stream)
        client.flush()
        client.connection.ping(b"12345678")
        client.flush()
        await client.read_until(lambda: any(type(each).__name__ == "PingAckReceived" for each in client.events))

        assert (await ask(port, HEALTH)).startswith(b"HTTP/1.1 200")


def abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize("version", ["h1", "h2"])
async def test_clients_that_take_no_answer_give_way(version: str) -> None:
    closed_window = bytes([0, 0, 6, 4, 0, 0, 0, 0, 0]) + struct.pack(">HI", 4, 0)
    head = b"\x82\x86\x41\x09localhost\x04\x0d/openapi.json"
    get = struct.pack(">I", len(head))[1:] + bytes([1, 5, 0, 0, 0, 1]) + head
    sent = PREFACE[:24] + closed_window + get if version == "h2" else OPENAPI * 200
    async with listening(max_connections=LIMIT) as port, AsyncExitStack() as stack:
        for _ in range(LIMIT):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            stack.callback(abort, writer)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(sent)

        num_served = 0
        async with asyncio.timeout(20):  # each of them is busy until its client has been sent what it does not take
            while num_served < 3:
                num_served += (await ask(port, HEALTH)).startswith(b"HTTP/1.1 200")


async def test_what_a_client_asked_in_advance_is_not_answered_once_it_has_gone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    handle = quart_app.TidyConnection.__call__

    async def count(self: quart_app.TidyConnection, *given: Any) -> None:
        nonlocal asked
        asked += 1
        await handle(self, *given)

    monkeypatch.setattr(quart_app.TidyConnection, "__call__", count)
    async with listening() as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(OPENAPI * 1000)
        await writer.drain()
        writer.transport.abort()
        await asyncio.sleep(0.5)
        asked_by_then = asked
        assert (await ask(port, HEALTH)).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.2)

    assert asked <= asked_by_then + 1 < 500
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


async def test_the_last_connections_are_answered_that_all_are_in_use() -> None:
    async with listening(max_connections=1) as port, AsyncExitStack() as stack:
        body = b'{"prompt": "Hello", "max_tokens": 400, "min_tokens": 400, "stream": true}'
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        writer.write(COMPLETIONS + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await reader.readuntil(b"data: ")

        answer = await ask(port, HEALTH)

        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in answer
        assert b'"too_many_connections"' in answer


@pytest.mark.skipif(sys.platform == "win32", reason="processes have no limit there")
@pytest.mark.parametrize(("limit", "allowed"), [(256, 144), (1024, 912), (64, 16), (2**20, 4096), (None, 4096)])
def test_as_many_connections_as_the_descriptors_allow(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, allowed: int
) -> None:
    monkeypatch.setattr(descriptors, "_descriptor_limit", lambda: limit)

    assert allowed_connections(None) == allowed
    assert allowed_connections(5) == 5


def test_more_connections_than_descriptors_are_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "_descriptor_limit", lambda: 256)

    with pytest.raises(TooManyConnections, match=r"is 145: .* 256 files, .* 144 connections; .* \(ulimit -n\)"):
        allowed_connections(145)
