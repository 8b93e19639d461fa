"""An answer that came through Ray, with errors that clients of its protocol read, also after a replica's end."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping

from jan_ort.http import sse
from jan_ort.http.api_error import ApiError
from jan_ort.http.error_bodies import told_as
from jan_ort.http.ollama.wire import line
from jan_ort.on_ray.asking import Message

RETRY_AFTER_S = 2

_ERROR_MARK = b'"error":'
"""In a stream's last event it says that the replica itself has told of an error: inside texts, quotes are escaped."""


class Answer:
    """Passes on what a replica sends for ``path``; what Ray itself refuses, and what is missing, becomes an error."""

    def __init__(self, path: str, send: Callable[[Message], Awaitable[None]]) -> None:
        self._path, self._send = path, send
        self._headers: dict[bytes, bytes] | None = None
        self._refusal: ApiError | None = None
        self._is_whole = False
        self._last = b""

    async def send(self, message: Message) -> None:
        """Send a message, or an error in place of Ray's own text."""
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            self._refusal = _of_ray(message["status"], headers)
            if self._refusal is None:
                self._headers = headers
                await self._send({**message, "headers": _each_once(message["headers"])})
        elif self._refusal is None:
            self._last = message.get("body", b"") or self._last
            self._is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            await self._send(message)

    async def end(self) -> None:
        """Tell of what is missing: all of an answer (503), or the end of a stream, which is then cut."""
        if self._refusal is not None:
            await self.tell(self._refusal)
        elif self._headers is None:
            await self.tell(_lost())
        elif not self._is_whole and _ERROR_MARK not in self._last:
            event = self._event(self._headers.get(b"content-type", b""))
            if event:
                await self._send({"type": "http.response.body", "body": event, "more_body": True})

    async def tell(self, error: ApiError) -> None:
        """Answer with an error."""
        status, body = told_as(self._path, error)
        await self.say(status, json.dumps(body).encode(), error.headers)

    async def say(self, status: int, body: bytes, further: Mapping[str, str] | None = None) -> None:
        """Answer with a JSON body."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        headers += [(name.lower().encode(), value.encode()) for name, value in (further or {}).items()]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _event(self, content_type: bytes) -> bytes:
        """Return the last event of a stream that has lost its replica; nothing for what is no stream."""
        error = _lost()
        body = told_as(self._path, error)[1]
        if content_type.startswith(b"application/x-ndjson"):
            return line(body)
        if not content_type.startswith(b"text/event-stream"):
            return b""
        if self._path.endswith("/responses"):
            return sse.named_frame({"type": "error", "code": error.code, "message": error.message, "param": None})
        return sse.named_frame(body) if "type" in body else sse.frame(body)


def _lost() -> ApiError:
    return _retriable(503, "the replica that computed this answer has ended; send the request again", "replica_lost")


def _of_ray(status: int, headers: dict[bytes, bytes]) -> ApiError | None:
    """Return what stands for an error that Ray answers itself, which is bare text; None for a replica's answer."""
    if status < 400 or not headers.get(b"content-type", b"").startswith(b"text/plain"):
        return None
    if status == 404:
        return _retriable(503, "no model is served yet", "not_deployed")
    if status == 429:
        return _retriable(429, "all replicas are busy, and the queue is full", "queue_full")
    return _retriable(503, "no replica can take the request now", "no_replica")


def _retriable(status: int, message: str, code: str) -> ApiError:
    error = ApiError(status, message, code=code)
    error.headers["Retry-After"] = str(RETRY_AFTER_S)
    return error


def _each_once(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers without a second X-Request-Id: the replica has given it back, and Ray does again."""
    seen = [name.lower() for name, _ in headers]
    return [each for at, each in enumerate(headers) if each[0].lower() != b"x-request-id" or seen.index(seen[at]) == at]
