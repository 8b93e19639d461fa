"""A request that is answered before its body has come: the rest is read, and the connection goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jan_ort.http.protocol import late_body
from tests.http.protocol.raw_clients import HEALTH, listening

LENGTH = 300_000
UNKNOWN = b"POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\n"
NOT_JSON = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
OTHER_HOST = b"POST /v1/completions HTTP/1.1\r\nHost: elsewhere.example\r\n"
TOO_LARGE = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
COUNTED = b"Content-Length: %d\r\n\r\n" % LENGTH
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"2710\r\n" + b"x" * 10_000 + b"\r\n"


class Asking:
    """A connection whose answers are read before the rest of the question is sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, head: bytes) -> bytes:
        """Send a head, and return the status of its answer, all of which is read."""
        self.writer.write(head)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self.reader.readexactly(length)
        return answer[9:12]

    async def send(self, *parts: bytes) -> None:
        """Send these one after the other, each in a turn of its own."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.001)

    async def is_closed(self) -> bool:
        """Return whether the server ends the connection, and nothing more comes."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def asking() -> AsyncIterator[Asking]:
    async with asyncio.timeout(20), listening(max_body_bytes=LENGTH - 1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Asking(reader, writer)
        finally:
            writer.close()


@pytest.mark.parametrize(
    ("head", "status"), [(UNKNOWN, b"404"), (NOT_JSON, b"415"), (OTHER_HOST, b"401"), (TOO_LARGE, b"413")]
)
async def test_the_rest_of_a_refused_body_is_read(head: bytes, status: bytes) -> None:
    async with asking() as client:
        assert await client.ask(head + COUNTED) == status
        await client.send(*[b"x" * 10_000] * 30)
        assert await client.ask(HEALTH) == b"200"


async def test_so_it_is_in_chunks_with_the_next_request_right_behind() -> None:
    async with asking() as client:
        assert await client.ask(UNKNOWN + CHUNKED) == b"404"
        await client.send(*[CHUNK] * 5)
        assert await client.ask(CHUNK + b"0\r\n\r\n" + HEALTH) == b"200"
        assert await client.ask(HEALTH) == b"200"


async def test_whoever_closes_after_its_request_reads_the_answer_first() -> None:
    async with asking() as client:
        assert await client.ask(UNKNOWN + b"Connection: close\r\n" + COUNTED) == b"404"
        await client.send(*[b"x" * 10_000] * 30)
        assert await client.is_closed()


@pytest.mark.parametrize("head", [UNKNOWN, UNKNOWN + b"Connection: close\r\n"])
async def test_a_rest_that_does_not_come_is_not_waited_for(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_body, "_PAUSE_S", 0.1)
    async with asking() as client:
        assert await client.ask(head + COUNTED) == b"404"
        await client.send(b"x" * 10_000)
        assert await client.is_closed()


async def test_a_rest_that_drips_in_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_body, "_PAUSE_S", 0.05)
    async with asking() as client:
        assert await client.ask(UNKNOWN + COUNTED) == b"404"
        closed = asyncio.create_task(client.is_closed())
        while not closed.done():
            client.writer.write(b"x")
            await asyncio.sleep(0.01)
        assert await closed


@pytest.mark.parametrize("rest", [b"not a size\r\n", CHUNK * 6])
async def test_a_rest_that_is_wrong_or_endless_ends_the_connection(
    rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_body, "_MOST_BYTES", 50_000)
    async with asking() as client:
        assert await client.ask(UNKNOWN + CHUNKED) == b"404"
        await client.send(rest)
        assert await client.is_closed()
