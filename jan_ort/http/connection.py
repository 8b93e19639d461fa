"""What a request has taken is given back when its connection is over, however that ends (hop 10)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

from hypercorn.typing import ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, ASGISendEvent
from quart import Request
from quart.asgi import ASGIHTTPConnection
from quart.typing import ResponseTypes

from jan_ort.http.asker import logged_asker
from jan_ort.http.body import RequestBody
from jan_ort.serving.lease import Lease
from jan_ort.serving.served_model import ServedModel
from jan_ort.serving.server import Server

logger = logging.getLogger(__name__)

BODIES = "jan_ort_bodies"
"""Where the app keeps its :class:`BodyBudget` in ``app.extensions``."""

_taken: ContextVar[AsyncExitStack] = ContextVar("taken")
_body: ContextVar[RequestBody] = ContextVar("body")

Model = TypeVar("Model", bound=ServedModel)


class AnswerCut(Exception):
    """Raised in an answer that ends before it is whole, once its client has been told why.

    The connection then ends without the mark of a whole answer: no last chunk in HTTP/1.1, RST_STREAM in HTTP/2. Some
    clients pass over an error event, and none over that (docs/shutdown.md). It is raised through Quart's connection:
    from 0.23 on that does not end with an answer that merely stops, but waits for its client's going.
    """


class TidyConnection(ASGIHTTPConnection):
    """Quart's connection, which also does what :func:`at_end` and :func:`borrow` have noted.

    A handler cannot: a stream goes on after it, and one whose client goes before the first byte is never begun.
    """

    _is_over = False

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Serve the request."""
        async with AsyncExitStack() as taken:
            body = RequestBody(self.app.extensions[BODIES], self.app.config["MAX_CONTENT_LENGTH"])
            taken.callback(body.discard)
            _taken.set(taken)  # seen by the tasks that are made below it, and by no other request
            _body.set(body)
            try:
                await super().__call__(partial(self._hear, receive, body), send)
            except* AnswerCut:
                pass  # the server finds an answer without an end, then, and cuts it

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        """Answer the request; cancelled when the client has gone."""
        try:
            await super().handle_request(request, send)
        finally:
            self._is_over = True

    async def _hear(self, receive: ASGIReceiveCallable, body: RequestBody) -> ASGIReceiveEvent:
        """Take the body, and return the next message. At the client's going, give the answer a turn first.

        It cannot wait for anything in that. The end of what a client sends counts as its going: the two look the same,
        and nginx, Node and uvicorn see no difference either. But what can be answered at once is: ``printf … | nc -N``
        gets to see ``/health``.
        """
        message = await receive()
        while message["type"] == "http.request":
            body.append(message.get("body", b""))
            if not message.get("more_body", False):
                body.set_complete()
            message = await receive()
        if message["type"] == "http.disconnect":
            await asyncio.sleep(0)
            if not self._is_over:  # an app hears this after a whole answer, too
                asked = self.scope["method"], self.scope["path"], logged_asker()
                logger.info("%.20r %.200r: the client disconnected before its answer was complete%s", *asked)
        return message

    async def _send_response(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        async def sending(message: ASGISendEvent) -> None:
            # Before it is sent: a server that then closes the connection tells of that first, and returns after it.
            self._is_over = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        await super()._send_response(sending, response)


def take_request(server: Server) -> None:
    """Have the server, if it stops, wait for the end of this request. Raises: NotServing."""
    _taken.get().callback(server.take_request())


def current_body() -> RequestBody:
    """Return the body of this task's request."""
    return _body.get()


async def borrow(lending: Awaitable[Lease[Model]]) -> Lease[Model]:
    """Await a lease, which ends with the connection at the latest. Raises: what ``lending`` does."""
    lease = await lending
    _taken.get().callback(lease.release)
    return lease


def at_end(close: Callable[[], Awaitable[Any]]) -> None:
    """Have ``close`` awaited when the answer has been sent or its client has gone; it may have been called before."""
    _taken.get().push_async_callback(close)
