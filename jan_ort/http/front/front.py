"""The layer before the app: it sees every request first, and every answer last (hop 1)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from jan_ort.http.api_error import ApiError
from jan_ort.http.asker import begin_asker
from jan_ort.http.front.cors import Headers, answer_headers, is_preflight, preflight_headers
from jan_ort.http.front.paths import meant_path
from jan_ort.http.tracing import Tracing
from jan_ort.settings.schema import Settings

App = Callable[[Any, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]]

MAX_ID_BYTES = 512
"""What is given back of a longer ``X-Request-Id``."""


class Front:
    """``app`` behind what concerns no operation. ``settings`` and ``tracing`` are asked for with each request."""

    def __init__(self, app: App, settings: Callable[[], Settings], tracing: Callable[[], Tracing | None]) -> None:
        self._app = app
        self._settings = settings
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Serve a connection of any kind."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        settings, asked = self._settings(), dict(scope["headers"])
        request_id = _request_id(asked.get(b"x-request-id"))
        tracing = self._tracing()
        trace = None if tracing is None else tracing.begin(asked)
        begin_asker(None if request_id is None else request_id.decode("latin-1"), trace)
        added: Headers = [] if request_id is None else [(b"x-request-id", request_id)]
        if settings.cors_origin:
            if is_preflight(scope["method"], asked):
                await _answer_preflight(settings, asked, added, send)
                return
            added += answer_headers(settings.cors_origin, asked.get(b"origin"))
        await self._app(_as_served(scope, settings.root_path), receive, _adding(added, send) if added else send)


def _request_id(given: bytes | None) -> bytes | None:
    """Return a client's own id of its request, cut; None for none, and for what no header may hold."""
    is_text = given and all(byte >= 0x20 and byte != 0x7F for byte in given)  # HTTP/2 may carry others
    return given[:MAX_ID_BYTES] if given and is_text else None


def _as_served(scope: HTTPScope, root_path: str) -> HTTPScope:
    """Return the request with the path that is served and meant."""
    path = scope["path"]
    if root_path and (path == root_path or path.startswith(f"{root_path}/")):
        path = path[len(root_path) :] or "/"
    path = meant_path(path)
    return scope if path == scope["path"] else {**scope, "path": path}


def _adding(added: Headers, send: ASGISendCallable) -> ASGISendCallable:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending


async def _answer_preflight(
    settings: Settings, asked: dict[bytes, bytes], added: Headers, send: ASGISendCallable
) -> None:
    """Answer without a key, for a browser sends none; the request that follows has it."""
    headers, status, body = preflight_headers(settings.cors_origin, asked), 204, b""
    if headers is None:
        message = "pages of this origin may not use this server; --cors-origin names those that may"
        status, body = 403, json.dumps(ApiError(403, message, code="origin_not_allowed").body).encode()
        headers = [(b"vary", b"Origin"), (b"content-type", b"application/json")]
        headers.append((b"content-length", b"%d" % len(body)))
    start: Any = {"type": "http.response.start", "status": status, "headers": [*headers, *added]}
    await send(start)
    end: Any = {"type": "http.response.body", "body": body, "more_body": False}
    await send(end)
