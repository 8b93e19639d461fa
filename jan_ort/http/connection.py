"""What a request has taken is given back when its connection is over, however that ends (hop 10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import Any, TypeVar

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart.asgi import ASGIHTTPConnection

from jan_ort.serving.lease import Lease
from jan_ort.serving.served_model import ServedModel

_taken: ContextVar[AsyncExitStack] = ContextVar("taken")

Model = TypeVar("Model", bound=ServedModel)


class TidyConnection(ASGIHTTPConnection):
    """Quart's connection, which also does what :func:`at_end` and :func:`borrow` have noted.

    A handler cannot: a stream goes on after it, and one whose client goes before the first byte is never begun.
    """

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Serve the request."""
        async with AsyncExitStack() as taken:
            _taken.set(taken)  # seen by the tasks that are made below it, and by no other request
            await super().__call__(receive, send)


async def borrow(lending: Awaitable[Lease[Model]]) -> Lease[Model]:
    """Await a lease, which ends with the connection at the latest. Raises: what ``lending`` does."""
    lease = await lending
    _taken.get().callback(lease.release)
    return lease


def at_end(close: Callable[[], Awaitable[Any]]) -> None:
    """Have ``close`` awaited when the answer has been sent or its client has gone; it may have been called before."""
    _taken.get().push_async_callback(close)
