"""Clients that send what no library of clients would, to a server in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h2.config
import h2.connection
import h2.events

from jan_ort.http.launcher import bind, serve_models
from jan_ort.http.tls import server_tls
from jan_ort.serving.server import Server, Status
from tests.http.handlers.serving import reference_settings, until

Fields = list[tuple[str, str]]

GET_HEALTH: Fields = [(":method", "GET"), (":path", "/health"), (":scheme", "http"), (":authority", "localhost")]
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
COMPLETIONS = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[int]:
    """Serve the reference models on a port of this machine until the block ends; yield the port."""
    async with listening_server(**settings) as (port, _):
        yield port


@asynccontextmanager
async def listening_server(**settings: Any) -> AsyncIterator[tuple[int, Server]]:
    """Likewise, and yield the server, too."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server, ended = Server(reference_settings(**settings)), asyncio.Event()
    serving = asyncio.create_task(serve_models(server, [listener], ended, tls=server_tls(server.settings)))
    try:
        await until(lambda: server.status is Status.READY)
        yield port, server
    finally:
        ended.set()
        await serving


def changed(fields: Fields, **to: str | None) -> Fields:
    """Return pseudo fields with some changed, or left out for None."""
    given = {f":{name}": value for name, value in to.items()}
    kept = {name: given.get(name, value) for name, value in fields}
    return [(name, value) for name, value in (kept | given).items() if value is not None]


async def ask(port: int, sent: bytes, *, timeout_s: float = 20.0) -> bytes:
    """Send bytes on a connection of their own, and return what is answered until it ends, or there is no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(timeout_s):
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            return answer + await reader.readexactly(length)
    finally:
        writer.close()


class Http2Client:
    """HTTP/2 by prior knowledge, with every frame that the server sends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        config = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
        self.connection = h2.connection.H2Connection(config=config)
        self.events: list[h2.events.Event] = []
        self.has_ended = False
        self._reader, self.writer = reader, writer
        self.connection.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.connection.data_to_send())

    def request(self, fields: Fields, *, end_stream: bool = True) -> int:
        stream_id: int = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream_id, fields, end_stream=end_stream)
        self.flush()
        return stream_id

    def send(self, stream_id: int, body: bytes, *, end_stream: bool = False) -> None:
        self.connection.send_data(stream_id, body, end_stream=end_stream)
        self.flush()

    async def read_until(self, condition: Callable[[], bool], *, acknowledge: bool = True) -> None:
        """Read until the condition holds, or the server ends the connection."""
        async with asyncio.timeout(20):
            while not condition() and not self.has_ended:
                received = await self._reader.read(2**16)
                self.has_ended = not received
                events = self.connection.receive_data(received)
                self.events += events
                for event in events:
                    if isinstance(event, h2.events.DataReceived) and acknowledge:
                        self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if not self.has_ended:
                    self.flush()

    async def status_of(self, stream_id: int) -> str | None:
        """Wait for the end of an answer, and return its status; None if the stream or the connection was ended."""
        await self.read_until(lambda: self.is_over(stream_id))
        heads = [each for each in self.of(h2.events.ResponseReceived) if each.stream_id == stream_id]
        return dict(heads[0].headers)[":status"] if heads else None

    def is_over(self, stream_id: int) -> bool:
        ends = self.of(h2.events.StreamEnded) + self.of(h2.events.StreamReset)
        return any(each.stream_id == stream_id for each in ends)

    def of(self, kind: type) -> list[Any]:
        return [each for each in self.events if isinstance(each, kind)]


@asynccontextmanager
async def http2(port: int, **tls: Any) -> AsyncIterator[Http2Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **tls)
    try:
        yield Http2Client(reader, writer)
    finally:
        writer.close()
