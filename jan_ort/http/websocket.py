"""WebSocket, which no operation speaks: a handshake is refused, as every error is, in JSON (hop 1)."""

from __future__ import annotations

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WebsocketScope
from quart import Quart

from jan_ort.http.front.paths import is_served, meant_path, not_found
from jan_ort.http.protocol.refusal import refusal

NOT_SPOKEN = "this server does not speak WebSocket; send a plain request"


def websocket_refusal(path: str) -> tuple[int, str, str]:
    """Return status, message and code of what a handshake at this path is answered."""
    meant = meant_path(path)
    return (501, NOT_SPOKEN, "not_implemented") if is_served(meant) else (404, not_found(path), "not_found")


class RefusedWebsocket:
    """A handshake under a server that has not refused it itself (``http/protocol/`` does)."""

    def __init__(self, app: Quart, scope: WebsocketScope) -> None:
        self._refused = websocket_refusal(scope["path"])
        self._can_answer = "websocket.http.response" in (scope.get("extensions") or {})

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Refuse it: 501, 404 where nothing is served, or 403 under a server whose apps cannot say more than no."""
        if not self._can_answer:
            await send({"type": "websocket.close", "code": 1000, "reason": NOT_SPOKEN})
            return
        headers, body = refusal(*self._refused)
        await send({"type": "websocket.http.response.start", "status": self._refused[0], "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
