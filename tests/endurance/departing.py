"""Clients that send a request, or a part of it, and go: by HTTP/1.1 and by HTTP/2 without TLS, in each possible way."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import h2.config
import h2.connection

PROTOCOLS = ("HTTP/1.1", "h2c")
WAYS = ("close", "reset", "half-close")
"""How a client goes: it says goodbye, or not even that, or says that it sends no more and goes on listening."""

_FRAME_BYTES = 2**14


@dataclass(frozen=True)
class Request:
    """A request's bytes: those before the body, and the body's. One by h2c has at most 64 KB, the first window."""

    head: bytes
    body: bytes

    @property
    def whole(self) -> bytes:
        """Everything."""
        return self.head + self.body


def request(protocol: str, path: str, body: dict[str, Any]) -> Request:
    """Return a POST of ``body``."""
    raw = json.dumps(body).encode()
    headers = [("host", "localhost"), ("content-type", "application/json"), ("content-length", str(len(raw)))]
    if protocol == "HTTP/1.1":
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        return Request("\r\n".join([*lines, "", ""]).encode(), raw)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    pseudo = [(":method", "POST"), (":path", path), (":scheme", "http"), (":authority", "localhost")]
    connection.send_headers(1, pseudo + headers[1:])
    head = connection.data_to_send()
    for at in range(0, len(raw), _FRAME_BYTES):
        connection.send_data(1, raw[at : at + _FRAME_BYTES], end_stream=at + _FRAME_BYTES >= len(raw))
    return Request(head, connection.data_to_send())


@contextlib.asynccontextmanager
async def departing(port: int, way: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect, and go in one of WAYS at the end of the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        if way == "reset":
            writer.transport.abort()
        elif way == "half-close":
            with contextlib.suppress(OSError):
                writer.write_eof()
        else:
            writer.close()
    if way == "half-close":
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
