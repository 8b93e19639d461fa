"""Serve the app in this process: bind first, drain on a signal, and end with an honest exit status."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import math
import os
import shlex
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TextIO

from jan_ort.ground.task import GENERATE
from jan_ort.http.tls import ServerTls
from jan_ort.serving.choice import Checked
from jan_ort.serving.resident import Resident
from jan_ort.serving.server import Server
from jan_ort.settings.schema import Settings

logger = logging.getLogger(__name__)

UNATTENDED_DRAIN_S = 30.0
"""What Kubernetes, systemd and docker compose leave a process at least, or can be told to (docs/shutdown.md)."""

_SAME_SIGNAL_S = 0.1
"""Signals that come so soon after the first are that one again."""


_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Errors of an address of a name that this machine does not have, as ::1 without IPv6."""

_Address = tuple[socket.AddressFamily, Any]


class BindError(Exception):
    """Raised when the address cannot be listened on."""


def bind(host: str, port: int) -> socket.socket:
    """Return a listening-ready socket. Raises: BindError naming the address and the remedy."""
    try:
        return _listen(_addresses(host, port)[0])
    except (OSError, ValueError) as error:  # ValueError: a host that is no host name
        raise _cannot(host, port, error) from error


def bind_all(host: str, port: int) -> list[socket.socket]:
    """Return listening-ready sockets, one for each address that the host's name has here, all on one port.

    ``localhost`` has two, and clients try either first. Raises: BindError.
    """
    listeners: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, address in _addresses(host, port):
            # What the first one got if any port will do.
            at = listeners[0].getsockname()[1] if listeners else port
            try:
                listeners.append(_listen((family, (address[0], at, *address[2:]))))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                absent = error
        if absent is not None and not listeners:
            raise absent
    except (OSError, ValueError) as error:
        for each in listeners:
            each.close()
        raise _cannot(host, port, error) from error
    return listeners


def check_metrics_address(settings: Settings) -> None:
    """See whether the address of the metrics alone is free, before models are loaded. Raises: BindError."""
    if settings.metrics_port:
        try:
            bind(settings.metrics_host, settings.metrics_port).close()
        except BindError as error:
            raise BindError(f"{error}".replace("--host or --port", "--metrics-host or --metrics-port")) from error


def _addresses(host: str, port: int) -> list[_Address]:
    """Return the addresses of a host, IPv4 first. Raises: OSError, ValueError."""
    if "\0" in host:  # Windows takes what stands before it, and nothing for every address of the machine
        raise ValueError("the host has a null character")
    # Whatever a hosts file says: clients take both for it (RFC 6761, section 6.3).
    names = ("127.0.0.1", "::1") if host.lower() == "localhost" else (host,)
    found = [each for name in names for each in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]
    addresses = dict.fromkeys((family, address) for family, _, _, _, address in found)
    return sorted(addresses, key=lambda each: each[0] != socket.AF_INET)


def _listen(at: _Address) -> socket.socket:
    family, address = at
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there the option would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and address[0] != "::":  # whose IPv4 half is no other address
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen()  # only now nobody else can bind the port too
    except BaseException:
        listener.close()
        raise
    listener.setblocking(False)
    listener.set_inheritable(True)
    return listener


def _cannot(host: str, port: int, error: Exception) -> BindError:
    return BindError(f"cannot listen on {host}:{port}: {error}; choose another --host or --port")


def launch(
    settings: Settings, checked: Checked, listeners: Sequence[socket.socket], tls: ServerTls | None = None
) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit status: 0, or 1 if the models could not be loaded."""
    return asyncio.run(_serve(settings, checked, listeners, tls))


async def _serve(
    settings: Settings, checked: Checked, listeners: Sequence[socket.socket], tls: ServerTls | None
) -> int:
    ended = asyncio.Event()
    failures: list[Exception] = []

    def fail(error: Exception) -> None:
        failures.append(error)
        ended.set()

    _on_signals(ended)
    if tls is not None:
        tls.warn()
    for each in listeners:
        host, port = each.getsockname()[:2]
        logger.info("listening on %s", server_url(host, port, is_https=tls is not None))
    drain_s = default_drain_s() if settings.drain_s is None else settings.drain_s
    server = Server(settings, checked=checked, on_failure=fail)
    told = asyncio.create_task(_tell_how_to_ask(server, settings, listeners[0].getsockname()[1]))
    await serve_models(server, listeners, ended, drain_s, tls)
    told.cancel()
    return 1 if failures else 0


async def _tell_how_to_ask(server: Server, settings: Settings, port: int) -> None:
    """Log the page's address, and a line to paste into a shell, once they work."""
    if not await server.wait_loaded():
        return
    host = "localhost" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    base = server_url(host, port, is_https=settings.tls_cert is not None) + settings.root_path
    if settings.pages:
        logger.info("open %s/ in a browser", base)
    residents = server.roster.residents
    if chats := [each for each in residents if _chats(each)]:
        _tell_of_curl(base, None if len(residents) == 1 else chats[0].name, with_key=settings.needs_key)


def _tell_of_curl(base: str, model: str | None, *, with_key: bool) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    asked = json.dumps(body if model is None else {"model": model} | body)
    key = ' -H "Authorization: Bearer $JAN_ORT_API_KEY"' if with_key else ""
    data = shlex.quote(asked) if sys.platform != "win32" else json.dumps(asked)
    url = f"{base}/v1/chat/completions"
    logger.info('ask it: curl %s -H "Content-Type: application/json"%s -d %s', url, key, data)


def server_url(host: str, port: int, *, is_https: bool) -> str:
    """Return the address of a server that listens there."""
    return f"http{'s' if is_https else ''}://{f'[{host}]' if ':' in host else host}:{port}"


def _chats(resident: Resident) -> bool:
    return resident.choice.task == GENERATE and resident.found is not None and bool(resident.found.folder.chat_template)


def default_drain_s() -> float:
    """Return how long requests may finish: whoever sits at a terminal waits for its prompt, a container for nobody."""
    is_terminal = any(stream is not None and _is_terminal(stream) for stream in (sys.stdin, sys.stderr))
    return 0.0 if is_terminal else UNATTENDED_DRAIN_S


def _is_terminal(stream: TextIO) -> bool:
    """Whether a person sees the stream. On Windows NUL, which a service gets for each, calls itself a terminal, too."""
    if sys.platform != "win32" or not stream.isatty():
        return stream.isatty()
    import ctypes
    import msvcrt

    handle = ctypes.c_void_p(msvcrt.get_osfhandle(stream.fileno()))
    return bool(ctypes.windll.kernel32.GetConsoleMode(handle, ctypes.byref(ctypes.c_ulong())))


async def serve_models(
    server: Server,
    listeners: Sequence[socket.socket],
    ended: asyncio.Event,
    drain_s: float = 0.0,
    tls: ServerTls | None = None,
) -> None:
    """Start the server, and answer requests until ``ended`` is set; then stop it, after ``drain_s`` at most."""
    server.start()
    serve_until = await asyncio.to_thread(_import_server)  # which takes 0.3 s, while the models are being loaded
    await serve_until(ended, server, listeners, drain_s, tls)


def _import_server() -> Callable[..., Awaitable[None]]:
    from jan_ort.http.hypercorn_server import serve_until

    return serve_until


def _on_signals(ended: asyncio.Event) -> None:
    """Set ``ended`` on SIGINT and SIGTERM, and on Windows' Ctrl-Break, where event loops know none; a second ends all.

    So does a terminal that closes (SIGHUP), unless nohup has had it ignored.
    The same one twice at once is one: whoever signals a process and its group, as GNU timeout, does not mean two.
    """
    loop = asyncio.get_running_loop()
    first_at = math.inf

    def end(number: int) -> None:
        nonlocal first_at
        if ended.is_set() and loop.time() - first_at < _SAME_SIGNAL_S:
            return
        if ended.is_set():
            logger.warning("ended by a second signal, without waiting for running requests")
            os._exit(128 + number)
        first_at = loop.time()
        ended.set()

    for number in _ending_signals():
        try:
            loop.add_signal_handler(number, end, number)
        except NotImplementedError:
            signal.signal(number, lambda received, _: loop.call_soon_threadsafe(end, received))


def _ending_signals() -> list[signal.Signals]:
    names = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
    known = [each for name in names if (each := getattr(signal, name, None)) is not None]
    return [each for each in known if each.name != "SIGHUP" or signal.getsignal(each) is signal.SIG_DFL]
