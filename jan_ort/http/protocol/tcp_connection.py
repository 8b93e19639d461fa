"""A connection that has a place among the others, and a client that reads (hops 1 and 9)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, Event, RawData, Updated

from jan_ort.http.protocol import write_deadline
from jan_ort.http.protocol.h1_protocol import GoOn
from jan_ort.http.protocol.open_connections import OpenConnections
from jan_ort.http.protocol.rare_log import RareLog
from jan_ort.http.protocol.refusal import refusal
from jan_ort.http.protocol.request_stream import RequestStream

logger = logging.getLogger(__name__)
_rarely = RareLog(logger)

_HEADER_LIST_BYTES = 2**15
"""Decoding twice as much takes 30 ms."""

_LAST_WORDS_S = 1.0
"""How long a server that ends waits for a client to take what was sent to it; hypercorn cancels what is left later."""


class TcpConnection(TCPServer):
    """hypercorn's own, of which there may be any number, each with a client that may leave its answers unread."""

    def __init__(self, connections: OpenConnections, drained: asyncio.Event | None, *given: Any) -> None:
        super().__init__(*given)
        self.config.max_app_queue_size = 0  # a stream whose app has ended must not hold up the next one
        self.config.h2_max_header_list_size = _HEADER_LIST_BYTES
        self._connections = connections
        self._drained = drained
        self._is_read = False
        self._wait = write_deadline.ClientWait()

    async def run(self) -> None:
        """Serve the connection until it ends, whatever goes wrong with it."""
        if not self._connections.admit(self):
            self.writer.write(_BUSY)
            await self._close()
            return
        cutting = asyncio.ensure_future(self._cut_after_the_end())
        try:
            await super().run()
        except* Exception as errors:
            _rarely.warning("a connection was ended by %.300r", errors)
            logger.debug("where it was", exc_info=errors)
        except* asyncio.CancelledError:
            if not self.context.terminated.is_set():
                raise
            # The server has ended, and asyncio of Python 3.11 would write a traceback for each connection that is left.
        finally:
            cutting.cancel()
            self._connections.leave(self)

    async def _cut_after_the_end(self) -> None:
        """Cut it soon after the server has ended: closing, hypercorn waits until a client has read all.

        Its own command ends before the app has finished what it has taken.
        """
        await self.context.terminated.wait()
        if self._drained is not None:
            await self._drained.wait()
        await asyncio.sleep(_LAST_WORDS_S)
        self.cut()

    async def _read_data(self) -> None:
        """Read until the client ends, and end with it.

        hypercorn 0.18 waits for the keep-alive timeout even if the client has gone: every closed connection would hold
        a descriptor for 75 s; at 14 a second the usual 1024 are used up. So it does when an answer ends after that.
        """
        await super()._read_data()
        self._is_read = True
        await self.idle_task.stop()

    @property
    def waits_since(self) -> float | None:
        """Since when nothing can be done but wait for its client, to send or to take a body; None if that is not so."""
        if self._wait.since is not None:
            return self._wait.since
        protocol: Any = self.protocol.protocol
        if hasattr(protocol, "stream"):
            waits = [_waits_since(protocol.stream, None)]
        else:
            buffers = protocol.stream_buffers
            waits = [_waits_since(stream, buffers.get(number)) for number, stream in protocol.streams.items()]
        known = [since for since in waits if since is not None]
        return min(known) if known and len(known) == len(waits) else None

    def cut(self) -> None:
        """End it at once, without waiting for its client."""
        self.writer.transport.abort()

    async def protocol_send(self, event: Event) -> None:
        """Send, close, or note that the connection is idle. What is sent waits for a client for so long only."""
        if isinstance(event, RawData):
            await self._send(event.data)
            return
        if isinstance(event, GoOn):
            if self.writer.transport.is_closing():
                return  # what the client sent in advance would be answered to nobody
            self._task_group.spawn(self.protocol.handle, event)
            return
        if isinstance(event, Updated):
            if self._is_read and event.idle:
                return  # there is nothing to wait for
            self._connections.note(self, is_idle=event.idle)
        await super().protocol_send(event)

    async def _send(self, data: bytes) -> None:
        transport = self.writer.transport
        if transport.is_closing():  # asyncio would log a line for each write
            await self.protocol.handle(Closed())
            return
        try:
            self.writer.write(data)
            if not transport.is_closing() and transport.get_write_buffer_size() < write_deadline.PIECE_BYTES:
                return  # as after nearly every event of a stream
            async with self._wait.bounded():
                await self.writer.drain()
        except TimeoutError:
            _rarely.warning("closed a connection whose client does not read")
            self.cut()
        except (ConnectionError, RuntimeError):
            await self.protocol.handle(Closed())

    async def _close(self) -> None:
        cutting = self.loop.call_later(write_deadline.WRITE_DEADLINE_S, self.cut)
        try:
            await super()._close()
        except OSError:
            pass  # its client has gone already; upstream knows of three ways to go
        finally:
            cutting.cancel()


def _waits_since(stream: Any, buffer: Any) -> float | None:
    """Return since when a stream's client keeps it waiting, None if it does not."""
    if buffer is not None and buffer.wait.since is not None:
        return float(buffer.wait.since)
    if not isinstance(stream, RequestStream) or stream.is_received:
        return None
    return float(stream.start_time)


def _busy() -> bytes:
    headers, body = refusal(503, "too many connections are open, and all are in use", "too_many_connections")
    lines = [b"%s: %s" % field for field in [*headers, (b"retry-after", b"1"), (b"connection", b"close")]]
    return b"\r\n".join([b"HTTP/1.1 503 Service Unavailable", *lines, b"", body])


_BUSY = _busy()
