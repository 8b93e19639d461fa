"""Hypercorn with the app, on a socket that listens already; imported late, for it costs as much as half a load."""

from __future__ import annotations

import asyncio
import socket

import hypercorn.asyncio.run
from hypercorn.asyncio import serve
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config

from jan_ort.http.app import build_app
from jan_ort.serving.server import Server

KEEP_ALIVE_S = 75.0
"""Longer than the pools of common clients keep a connection, so that they close it first."""

_GRACE_S = 2.0
_LAST_WORDS_S = 1.0
"""How long a server that ends waits for a client to take what was sent to it; hypercorn cancels what is left later."""


async def serve_until(ended: asyncio.Event, server: Server, listener: socket.socket) -> None:
    """Serve what ``server``, which is started, answers; stop it once ``ended`` is set. The listener is used up."""

    async def shutdown() -> None:
        await ended.wait()
        await server.stop()  # before hypercorn closes connections: running streams then still get their error event

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # hypercorn closes it
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.graceful_timeout = _GRACE_S
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    hypercorn.asyncio.run.TCPServer = _Connection  # type: ignore[attr-defined]
    await serve(build_app(lambda: server, hears_signals=False), config, shutdown_trigger=shutdown)


class _Connection(TCPServer):
    """A connection that ends when its client ends it, or has stopped reading when the server ends.

    hypercorn 0.18 waits for the keep-alive timeout even if the client has gone: every closed connection would hold a
    file descriptor for 75 s; at 14 a second the usual 1024 are used up. And closing, it waits until all is sent, which
    a client that does not read puts off for ever.
    """

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()

    async def run(self) -> None:
        cutting = asyncio.ensure_future(self._cut_after_the_end())
        try:
            await super().run()
        finally:
            cutting.cancel()

    async def _cut_after_the_end(self) -> None:
        await self.context.terminated.wait()
        await asyncio.sleep(_LAST_WORDS_S)
        self.writer.transport.abort()
