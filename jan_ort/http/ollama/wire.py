"""Lines of JSON, and errors, as Ollama's clients read them (hop 9)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from jan_ort.http.api_error import ApiError
from jan_ort.http.sse import StreamFormat

HEADERS = {"Content-Type": "application/x-ndjson", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=list).encode


def line(chunk: Any) -> bytes:
    """Return a chunk as one line; half a surrogate pair is a "?"."""
    return _to_json(chunk).encode(errors="replace") + b"\n"


def lines(ping: dict[str, Any]) -> StreamFormat:
    """Return the format of a stream whose clients take ``ping`` for a chunk that says nothing."""
    return StreamFormat(HEADERS, line, line(ping), b"")


def error_body(error: ApiError) -> dict[str, Any]:
    """Return the body of an answer that is an error; ``param`` and ``code`` are what OpenAI's has."""
    return {"error": error.named_message, "param": error.param, "code": error.code}


def timestamp(seconds: float | None = None) -> str:
    """Return a Unix time, or now, in UTC."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat().replace("+00:00", "Z")
