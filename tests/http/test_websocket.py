"""A WebSocket handshake that reaches the app is refused in the way that its server allows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.handlers.serving import serving


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/", 501, "not_implemented"),
        ("/v1/chat/completions", 501, "not_implemented"),
        ("/chat/completions/", 501, "not_implemented"),
        ("/v1/realtime", 404, "not_found"),
        ("/\x00\ud800", 404, "not_found"),
    ],
)
@pytest.mark.parametrize("extensions", [{"websocket.http.response": {}}, {}, None])
async def test_a_handshake_is_refused(path: str, status: int, code: str, extensions: dict[str, Any] | None) -> None:
    scope = {"type": "websocket", "path": path, "headers": [(b"host", b"\xff")], "extensions": extensions}
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with serving() as app:
        await app(scope, receive, send)  # type: ignore[arg-type]

    if extensions:
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", status)
        assert json.loads(sent[1]["body"])["error"]["code"] == code
    else:
        assert [each["type"] for each in sent] == ["websocket.close"]
