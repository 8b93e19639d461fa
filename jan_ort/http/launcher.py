"""Serve the app in this process: bind first, drain on a signal, and end with an honest exit status."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TextIO

from jan_ort.serving.choice import Checked
from jan_ort.serving.server import Server
from jan_ort.settings.schema import Settings

logger = logging.getLogger(__name__)

_UNATTENDED_DRAIN_S = 30.0
"""What Kubernetes, systemd and docker compose leave a process at least, or can be told to (docs/shutdown.md)."""

_SAME_SIGNAL_S = 0.1
"""Signals that come so soon after the first are that one again."""


class BindError(Exception):
    """Raised when the address cannot be listened on."""


def bind(host: str, port: int) -> socket.socket:
    """Return a listening-ready socket. Raises: BindError naming the address and the remedy."""
    listener = None
    try:
        if "\0" in host:  # Windows takes what stands before it, and nothing for every address of the machine
            raise ValueError("the host has a null character")
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


async def _serve(settings: Settings, checked: Checked, listener: socket.socket) -> int:
    ended = asyncio.Event()
    failures: list[Exception] = []

    def fail(error: Exception) -> None:
        failures.append(error)
        ended.set()

    _on_signals(ended)
    host, port = listener.getsockname()[:2]
    logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    drain_s = default_drain_s() if settings.drain_s is None else settings.drain_s
    await serve_models(Server(settings, checked=checked, on_failure=fail), listener, ended, drain_s)
    return 1 if failures else 0


def default_drain_s() -> float:
    """Return how long requests may finish: whoever sits at a terminal waits for its prompt, a container for nobody."""
    is_terminal = any(stream is not None and _is_terminal(stream) for stream in (sys.stdin, sys.stderr))
    return 0.0 if is_terminal else _UNATTENDED_DRAIN_S


def _is_terminal(stream: TextIO) -> bool:
    """Whether a person sees the stream. On Windows NUL, which a service gets for each, calls itself a terminal, too."""
    if sys.platform != "win32" or not stream.isatty():
        return stream.isatty()
    import ctypes
    import msvcrt

    handle = ctypes.c_void_p(msvcrt.get_osfhandle(stream.fileno()))
    return bool(ctypes.windll.kernel32.GetConsoleMode(handle, ctypes.byref(ctypes.c_ulong())))


async def serve_models(server: Server, listener: socket.socket, ended: asyncio.Event, drain_s: float = 0.0) -> None:
    """Start the server, and answer requests until ``ended`` is set; then stop it, after ``drain_s`` at most."""
    server.start()
    serve_until = await asyncio.to_thread(_import_server)  # which takes 0.3 s, while the models are being loaded
    await serve_until(ended, server, listener, drain_s)


def _import_server() -> Callable[[asyncio.Event, Server, socket.socket, float], Awaitable[None]]:
    from jan_ort.http.hypercorn_server import serve_until

    return serve_until


def _on_signals(ended: asyncio.Event) -> None:
    """Set ``ended`` on SIGINT and SIGTERM, and on Windows' Ctrl-Break, where event loops know none; a second ends all.

    The same one twice at once is one: whoever signals a process and its group, as GNU timeout, does not mean two.
    """
    loop = asyncio.get_running_loop()
    first_at = math.inf

    def end(number: int) -> None:
        nonlocal first_at
        if ended.is_set() and loop.time() - first_at < _SAME_SIGNAL_S:
            return
        if ended.is_set():
            logger.warning("ended by a second signal, without waiting for what was being done")
            os._exit(128 + number)
        first_at = loop.time()
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGBREAK", signal.SIGTERM)):
        try:
            loop.add_signal_handler(number, end, number)
        except NotImplementedError:
            signal.signal(number, lambda received, _: loop.call_soon_threadsafe(end, received))
