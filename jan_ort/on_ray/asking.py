"""Asking Ray's proxy from within, as a client of its own would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from jan_ort.http.session_id import SESSION_HEADER

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_PASSED_ON = frozenset({b"authorization", b"x-api-key", b"host", b"origin", SESSION_HEADER.encode()})
"""What decides whether one may ask, and which replica answers."""

_FOR_BROWSERS = (b"access-control-", b"vary")


@dataclass(frozen=True)
class Told:
    """An answer; of its headers those that tell browsers which pages may read it."""

    status: int
    body: bytes
    headers: dict[str, str]


async def asked(app: App, scope: Message, path: str) -> Told:
    """Return the answer to a GET, asked on behalf of whose request ``scope`` is."""
    status, body, told = 503, bytearray(), dict[str, str]()
    is_read, is_whole = False, asyncio.Event()

    async def receive() -> Message:
        nonlocal is_read
        if is_read:  # the client stays until it is answered, and then goes: Quart waits for that, from 0.23 on
            await is_whole.wait()
            return {"type": "http.disconnect"}
        is_read = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            given = [(name.lower(), value) for name, value in message["headers"]]
            told.update({n.decode(): v.decode("latin-1") for n, v in given if n.startswith(_FOR_BROWSERS)})
        else:
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                is_whole.set()

    headers = [(name, value) for name, value in scope["headers"] if name.lower() in _PASSED_ON]
    get = {**scope, "method": "GET", "path": path, "headers": headers, "query_string": b""}
    await app(below("", get), receive, send)
    return Told(status, bytes(body), told)


def below(prefix: str, scope: Message) -> Message:
    """Return the request as one for the application at ``prefix``."""
    path = prefix + scope["path"]
    return {**scope, "path": path, "raw_path": quote(path).encode()}
