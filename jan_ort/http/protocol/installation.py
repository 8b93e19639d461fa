"""Where the remedies take hypercorn's place; each is found by the name that is replaced here (hop 1)."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any

import hypercorn.asyncio.run
import hypercorn.protocol
import hypercorn.protocol.h2
import hypercorn.protocol.h11

from jan_ort.http.protocol.descriptors import allowed_connections
from jan_ort.http.protocol.h1_protocol import Http1
from jan_ort.http.protocol.h2_protocol import Http2
from jan_ort.http.protocol.open_connections import OpenConnections
from jan_ort.http.protocol.rare_log import RareLog
from jan_ort.http.protocol.request_stream import RequestStream, WebsocketStream
from jan_ort.http.protocol.stream_buffer import BoundedStreamBuffer
from jan_ort.http.protocol.tcp_connection import TcpConnection

_rarely = RareLog(logging.getLogger(__name__))

REPLACED: Mapping[tuple[ModuleType, str], type] = {
    (hypercorn.protocol, "H11Protocol"): Http1,
    (hypercorn.protocol, "H2Protocol"): Http2,
    (hypercorn.protocol.h11, "HTTPStream"): RequestStream,
    (hypercorn.protocol.h11, "WSStream"): WebsocketStream,
    (hypercorn.protocol.h2, "HTTPStream"): RequestStream,
    (hypercorn.protocol.h2, "WSStream"): WebsocketStream,
    (hypercorn.protocol.h2, "StreamBuffer"): BoundedStreamBuffer,
}
"""The names of hypercorn 0.18 that are replaced, where it looks them up, each with what stands for them. One is left:
:func:`install` puts :class:`TcpConnection`, with what all of them share, for ``hypercorn.asyncio.run.TCPServer``.

``tests/http/test_hypercorn_surfaces.py`` pins what the replacements use of it.
"""


def install(max_connections: int | None, drained: asyncio.Event | None = None) -> None:
    """Have hypercorn use them for every connection that this process takes from now on.

    ``drained`` is set when no request gets more time to finish.

    Raises: TooManyConnections. None stands for as many as the process may open.
    """
    for (module, name), replacement in REPLACED.items():
        setattr(module, name, replacement)
    connections = OpenConnections(allowed_connections(max_connections))
    hypercorn.asyncio.run.TCPServer = partial(TcpConnection, connections, drained)  # type: ignore[attr-defined, assignment]
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(partial(_handle, loop.get_exception_handler()))


def _handle(before: Any, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log in one line that there is no descriptor for a client; asyncio has a traceback for each, and may have 100."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        _rarely.warning("no connection can be accepted: %s; lower --max-connections, or raise ulimit -n", error)
    elif before is not None:
        before(loop, context)
    else:
        loop.default_exception_handler(context)
