"""What is answered where no request reaches the app: the same JSON as the app's own errors (hop 1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from jan_ort.http.api_error import ApiError

Headers = list[tuple[bytes, bytes]]


def refusal(status: int, message: str, code: str) -> tuple[Headers, bytes]:
    """Return headers and body of an error; the connection ends with it."""
    body = json.dumps(ApiError(status, message, code=code).body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return headers, body


def refusing_app(status: int, message: str, code: str) -> Callable[..., Any]:
    """Return an app, as hypercorn calls one, that answers nothing but this error."""
    headers, body = refusal(status, message, code)

    async def refuse(scope: Any, receive: Any, send: Callable[[dict[str, Any]], Any], *_: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return refuse
