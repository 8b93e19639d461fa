"""An error in the body that the clients of a protocol read, by the path that they ask (hop 2)."""

from __future__ import annotations

from typing import Any

from jan_ort.http.api_error import ApiError
from jan_ort.http.messages.wire import error_body as messages_body
from jan_ort.http.ollama.wire import error_body as ollama_body

_OTHERS = {"/v1/messages/": messages_body, "/api/": ollama_body}
"""Beginnings of paths whose clients expect another body than OpenAI's, and 400 for what violates a schema."""


def told_as(path: str, error: ApiError) -> tuple[int, dict[str, Any]]:
    """Return status and body of the answer that a request for ``path`` gets."""
    for beginning, body in _OTHERS.items():
        if f"{path}/".startswith(beginning):
            return 400 if error.status == 422 else error.status, body(error)
    return error.status, error.body
