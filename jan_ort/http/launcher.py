"""Serve the app in this process: bind first, drain on a signal, and end with an honest exit status."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys

import hypercorn.asyncio.run
from hypercorn.asyncio import serve
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config

from jan_ort.http.app import EXTENSION, create_app
from jan_ort.serving.choice import Checked
from jan_ort.settings.schema import Settings

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 75.0
"""Longer than the pools of common clients keep a connection, so that they close it first."""


_GRACE_S = 2.0
_LAST_WORDS_S = 1.0
"""How long a server that ends waits for a client to take what was sent to it; hypercorn cancels what is left later."""


class BindError(Exception):
    """Raised when the address cannot be listened on."""


def bind(host: str, port: int) -> socket.socket:
    """Return a listening-ready socket. Raises: BindError naming the address and the remedy."""
    listener = None
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        if sys.platform != "win32":  # there the option would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()  # only now nobody else can bind the port too
    except (OSError, ValueError) as error:  # ValueError: a host that is no host name
        if listener is not None:
            listener.close()
        raise BindError(f"cannot listen on {host}:{port}: {error}; choose another --host or --port") from error
    listener.setblocking(False)
    listener.set_inheritable(True)
    return listener


def launch(settings: Settings, checked: Checked, listener: socket.socket) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit status: 0, or 1 if the models could not be loaded."""
    return asyncio.run(_serve(settings, checked, listener))


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


async def _serve(settings: Settings, checked: Checked, listener: socket.socket) -> int:
    ended = asyncio.Event()
    failures: list[Exception] = []

    def fail(error: Exception) -> None:
        failures.append(error)
        ended.set()

    app = create_app(settings, checked=checked, on_failure=fail)
    _on_signals(ended)

    async def shutdown() -> None:
        await ended.wait()
        server = app.extensions.get(EXTENSION)
        if server is not None:
            # Before hypercorn closes connections: running streams then still get their error event.
            await server.stop()

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.graceful_timeout = _GRACE_S
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    host, port = listener.getsockname()[:2]
    logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    hypercorn.asyncio.run.TCPServer = _Connection  # type: ignore[attr-defined]
    await serve(app, config, shutdown_trigger=shutdown)
    return 1 if failures else 0


def _on_signals(ended: asyncio.Event) -> None:
    """Set ``ended`` on SIGINT and SIGTERM, also where event loops know no signals (Windows); a second one ends all."""
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        if ended.is_set():
            logger.warning("ended by a second signal, without waiting for what was being done")
            os._exit(128 + number)
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, end, number)
        except NotImplementedError:
            signal.signal(number, lambda received, _: loop.call_soon_threadsafe(end, received))
