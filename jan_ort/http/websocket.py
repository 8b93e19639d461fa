"""WebSocket, which no operation speaks: a handshake is refused, as every error is, in JSON (hop 1)."""

from __future__ import annotations

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WebsocketScope
from quart import Quart

from jan_ort.http.protocol.refusal import refusal

NOT_SPOKEN = "this server does not speak WebSocket; send a plain request"


class RefusedWebsocket:
    """A handshake under a server that has not refused it itself (``http/protocol/`` does)."""

    def __init__(self, app: Quart, scope: WebsocketScope) -> None:
        self._can_answer = "websocket.http.response" in (scope.get("extensions") or {})

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Refuse it: 501, or 403 under a server whose apps cannot say more than no."""
        if not self._can_answer:
            await send({"type": "websocket.close", "code": 1000, "reason": NOT_SPOKEN})
            return
        headers, body = refusal(501, NOT_SPOKEN, "not_implemented")
        await send({"type": "websocket.http.response.start", "status": 501, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
