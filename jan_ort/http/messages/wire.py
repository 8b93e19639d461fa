"""Events with names, and errors, as Anthropic's clients read them (hop 9)."""

from __future__ import annotations

from typing import Any

from jan_ort.http import sse
from jan_ort.http.api_error import ApiError

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}

PING = {"type": "ping"}

EVENTS = sse.NAMED_EVENTS._replace(ping=sse.named_frame(PING), end=b"")


def error_body(error: ApiError) -> dict[str, Any]:
    """Return the body of an answer that is an error; ``param`` and ``code`` are what OpenAI's has."""
    kind = _TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    about = {"type": kind, "message": error.named_message, "param": error.param, "code": error.code}
    return {"type": "error", "error": about, "request_id": None}
