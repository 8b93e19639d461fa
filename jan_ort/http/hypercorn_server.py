"""Hypercorn with the app, on a socket that listens already; imported late, for it costs as much as half a load."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Mapping, Sequence

from hypercorn.asyncio import serve
from hypercorn.config import Config, Sockets
from hypercorn.logging import Logger
from hypercorn.typing import ResponseSummary, WWWScope

from jan_ort.http.app import build_app
from jan_ort.http.front.paths import POLLED
from jan_ort.http.protocol.descriptors import ACCEPTED_A_TURN
from jan_ort.http.tls import ServerTls
from jan_ort.serving.server import Server

KEEP_ALIVE_S = 75.0
"""Longer than the pools of common clients keep a connection, so that they close it first."""

_GRACE_S = 2.0

_HANDSHAKE_S = 10.0
"""A connection counts among the others after its handshake only, so that must not take long."""

_COMBINED = '%(h)s %(l)s %(l)s %(t)s "%(m)s %(U)s HTTP/%(H)s" %(s)s %(b)s "%(f)s" "%(a)s" %(L)s'
"""As Apache and nginx have it, and the seconds until the answer was whole."""

_POLLED = re.compile(rf'"GET ({"|".join(POLLED)}) ')


async def serve_until(
    ended: asyncio.Event,
    server: Server,
    listeners: Sequence[socket.socket],
    drain_s: float,
    tls: ServerTls | None = None,
) -> None:
    """Serve what ``server``, which is started, answers; stop it once ``ended`` is set. The listeners are used up.

    The port stays open for as long as the server finishes requests, ``drain_s`` at most.
    """

    async def shutdown() -> None:
        await ended.wait()
        await server.stop(drain_s)  # before hypercorn closes connections: what is cut still gets its error event

    config = _Config()
    config.tls = tls
    config.ssl_handshake_timeout = _HANDSHAKE_S
    config.listeners = listeners
    config.backlog = ACCEPTED_A_TURN
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.graceful_timeout = _GRACE_S
    config.accesslog = _access_log() if server.settings.access_log else None
    config.access_log_format = _COMBINED
    config.logger_class = _Logger
    config.errorlog = None
    config.include_server_header = False
    await serve(build_app(lambda: server, hears_signals=False), config, shutdown_trigger=shutdown)


def _access_log() -> logging.Logger:
    access_log = logging.getLogger("jan_ort.access")
    access_log.addFilter(lambda record: not _POLLED.search(record.getMessage()))
    return access_log


class _Logger(Logger):
    """hypercorn's, with the client and the request as tools that read the combined format expect them."""

    def atoms(self, request: WWWScope, response: ResponseSummary | None, request_time: float) -> Mapping[str, str]:
        """Return what stands for each letter of the format: the address without its port, and quotes escaped."""
        atoms = super().atoms(request, response, request_time)
        host = (request.get("client") or ("-",))[0]
        told = {"h": host, "U": request["raw_path"].decode("latin-1")}
        return {letter: _escaped(told.get(letter, atoms[letter])) for letter in "hltmUHsbfaL"}


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"")


class _Config(Config):
    """hypercorn's, with the sockets that listen already."""

    listeners: Sequence[socket.socket]
    tls: ServerTls | None = None

    @property
    def ssl_enabled(self) -> bool:
        """Whether https is spoken."""
        return self.tls is not None

    def create_ssl_context(self) -> ssl.SSLContext | None:
        """Return the one that follows the certificate's files."""
        return None if self.tls is None else self.tls.context

    def create_sockets(self) -> Sockets:
        """Return them; whoever asks closes them."""
        listeners: list[socket.socket] = [_Listener(fileno=each.detach()) for each in self.listeners]
        return Sockets([], listeners, []) if self.tls is None else Sockets(listeners, [], [])


_WAITING = 1024
"""Connections that wait to be taken; more than the system has room for are as many as that has."""


class _Listener(socket.socket):
    """A socket whose backlog is what the system waits with, and not what asyncio takes from it in one turn."""

    def listen(self, backlog: int = 0) -> None:
        """Listen, with as many waiting as the system allows."""
        super().listen(_WAITING)
