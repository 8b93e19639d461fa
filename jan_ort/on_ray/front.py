"""What Ray's proxies do beside routing: name a session, find a model, and tell of a replica's end (hop 1).

Ray routes by a header, knows it before the body, and answers a replica's end with a bare 500 or nothing more.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jan_ort.http.api_error import ApiError
from jan_ort.http.front.paths import meant_path
from jan_ort.http.session_id import SESSION_HEADER, session_name
from jan_ort.on_ray.answer import Answer
from jan_ort.on_ray.applications import JOINED, Applications
from jan_ort.on_ray.asking import App, Message, Receive, Send, below
from jan_ort.on_ray.sessions import GENERATING, continued_session, model_of_body, session_of_body, session_of_path

_RAYS_OWN = "/-/"
_OF_ONE_REPLICA = ("/models/load", "/models/unload")
_HEADER = SESSION_HEADER.encode()

_MAX_READ_BYTES = 2**20
"""What is read of a body to name its session; a longer one is told by how it begins."""

_MAX_MODEL_BYTES = 2**24
"""What is read of a body to find which of several models it names."""

_BEGINNING_BYTES = 2**14
_IN_LOOP_BYTES = 2**16
_BODY_S = 60.0


def middlewares() -> list[Any]:
    """Return what Ray's proxies put around themselves."""
    from starlette.middleware import Middleware

    return [Middleware(Front)]


class Front:
    """Ray's proxy behind ours."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._applications = Applications(app)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a connection of any kind."""
        if scope["type"] != "http" or scope["path"].startswith(_RAYS_OWN):
            await self._app(scope, receive, send)
            return
        path = meant_path(scope["path"])
        answer = Answer(path, send)
        if path in _OF_ONE_REPLICA:
            await answer.tell(_not_here())
            return
        several = len(await self._applications.known(scope)) > 1
        if several and scope["method"] == "GET" and path in JOINED:
            told = await self._applications.joined(path, scope)
            await answer.say(told.status, told.body, told.headers)
            return
        try:
            body, receive = await _body(path, scope, receive, several=several)
            scope = _with(await _session(path, scope, body), scope)
            if several:
                application = await self._applications.meant(path, await _model(path, body), scope)
                scope = below(application.prefix, scope)
        except ApiError as error:
            await answer.tell(error)
            return
        await self._app(scope, receive, answer.send)
        await answer.end()


def _not_here() -> ApiError:
    message = "this would change only one of several replicas; with load=request, each loads models on request"
    return ApiError(501, message, code="not_on_ray")


def _with(session: str | None, scope: Message) -> Message:
    if session is None:
        return scope
    others = [(name, value) for name, value in scope["headers"] if name.lower() != _HEADER]
    return {**scope, "headers": [*others, (_HEADER, session.encode())]}


async def _body(path: str, scope: Message, receive: Receive, *, several: bool) -> tuple[bytes, Receive]:
    """Return the body, or its beginning, where it tells the session or the model, and the request's messages again.

    Raises: ApiError.
    """
    is_looked_at = several or (path.endswith(GENERATING) and (_header(scope) is None or path.endswith("/responses")))
    if scope["method"] != "POST" or not is_looked_at:
        return b"", receive
    try:
        async with asyncio.timeout(_BODY_S):
            messages, body = await _read(receive, _MAX_MODEL_BYTES if several else _MAX_READ_BYTES)
    except TimeoutError as error:
        message = f"the body was incomplete after {_BODY_S:g} s"
        raise ApiError(408, message, code="request_timeout") from error
    return body, _replaying(messages, receive)


def _header(scope: Message) -> bytes | None:
    return next((value for name, value in scope["headers"] if name.lower() == _HEADER and value), None)


async def _session(path: str, scope: Message, body: bytes) -> str | None:
    """Return the session of a request."""
    header = _header(scope)
    if (of_path := session_of_path(path)) is not None:
        return of_path
    by_header = session_name(header) if header else None
    if not path.endswith(GENERATING) or (by_header and not path.endswith("/responses")):
        return by_header
    return continued_session(body) or by_header or await _named(body)


async def _model(path: str, body: bytes) -> str | None:
    """Return the name of the model that a body gives; clients of Ollama may add what they call a tag."""
    name = await asyncio.to_thread(model_of_body, body) if len(body) > _IN_LOOP_BYTES else model_of_body(body)
    return name.removesuffix(":latest") if name and path.startswith("/api/") else name


async def _named(body: bytes) -> str | None:
    if len(body) > _MAX_READ_BYTES:
        return session_name(body[:_BEGINNING_BYTES])
    if len(body) > _IN_LOOP_BYTES:
        return await asyncio.to_thread(session_of_body, body)
    return session_of_body(body)


async def _read(receive: Receive, max_bytes: int) -> tuple[list[Message], bytes]:
    """Return the messages of a body, and what they hold: all of it, or a little more than is read at most."""
    messages, body = [await receive()], bytearray()
    while messages[-1]["type"] == "http.request":
        body += messages[-1].get("body", b"")
        if not messages[-1].get("more_body", False) or len(body) > max_bytes:
            break
        messages.append(await receive())
    return messages, bytes(body)


def _replaying(messages: list[Message], receive: Receive) -> Receive:
    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return again
