"""A WebSocket handshake that reaches the app is refused in the way that its server allows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.handlers.serving import serving


@pytest.mark.parametrize("path", ["/", "/v1/chat/completions", "/\x00\ud800"])
@pytest.mark.parametrize("extensions", [{"websocket.http.response": {}}, {}, None])
async def test_a_handshake_is_refused(path: str, extensions: dict[str, Any] | None) -> None:
    scope = {"type": "websocket", "path": path, "headers": [(b"host", b"\xff")], "extensions": extensions}
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with serving() as app:
        await app(scope, receive, send)  # type: ignore[arg-type]

    if extensions:
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 501)
        assert json.loads(sent[1]["body"])["error"]["code"] == "not_implemented"
    else:
        assert [each["type"] for each in sent] == ["websocket.close"]
