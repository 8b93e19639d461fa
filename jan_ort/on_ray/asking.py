"""Asking Ray's proxy from within, as a client of its own would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from jan_ort.http.session_id import SESSION_HEADER

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_PASSED_ON = frozenset({b"authorization", b"x-api-key", b"host", SESSION_HEADER.encode()})
"""What decides whether one may ask, and which replica answers."""


async def asked(app: App, scope: Message, path: str) -> tuple[int, bytes]:
    """Return status and body of the answer to a GET, asked on behalf of whose request ``scope`` is."""
    status, body = 503, bytearray()
    is_read = False

    async def receive() -> Message:
        nonlocal is_read
        if is_read:  # the client stays until it is answered
            await asyncio.Event().wait()
        is_read = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            body.extend(message.get("body", b""))

    headers = [(name, value) for name, value in scope["headers"] if name.lower() in _PASSED_ON]
    get = {**scope, "method": "GET", "path": path, "headers": headers, "query_string": b""}
    await app(below("", get), receive, send)
    return status, bytes(body)


def below(prefix: str, scope: Message) -> Message:
    """Return the request as one for the application at ``prefix``."""
    path = prefix + scope["path"]
    return {**scope, "path": path, "raw_path": quote(path).encode()}
