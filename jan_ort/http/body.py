"""A request's body as bytes (hop 2)."""

from __future__ import annotations

import asyncio
import time

from quart import Request
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from jan_ort.http.body_budget import BodyBudget


class RequestBody:
    """What has come of a body, counted together with those of others: also one that no operation reads.

    Quart's holds all that comes, wanted or not, and its ``get_data()`` loses a cancellation in Python 3.11
    (``asyncio.wait_for``): the answer to a client that goes as its body comes would be for nobody.
    """

    def __init__(self, budget: BodyBudget, num_allowed: int | None) -> None:
        self.num_bytes = 0
        self.began_at = time.monotonic()
        self._budget = budget
        self._num_allowed = num_allowed
        self._received = bytearray()
        self._ended = asyncio.Event()
        self._error: Exception | None = None
        budget.begin(self)

    def append(self, data: bytes) -> None:
        """Take what has come; what is left of a body that was refused or is not needed any more is dropped."""
        self.expect(self.num_bytes + len(data))
        if self._ended.is_set():
            return
        self._budget.take(self, len(data))
        if self._error is None:
            try:
                self._received += data
            except MemoryError as error:
                self.refuse(error)

    def expect(self, num_bytes: int) -> None:
        """Refuse a body of this size if it is too large."""
        if self._num_allowed is not None and num_bytes > self._num_allowed:
            limit = f"at most {self._num_allowed} are allowed (setting JAN_ORT_MAX_BODY_BYTES)"
            self.refuse(RequestEntityTooLarge(f"the body has at least {num_bytes} bytes; {limit}"))

    def set_complete(self) -> None:
        """Note that this is all."""
        self._budget.finish(self)
        self._ended.set()

    def refuse(self, error: Exception) -> None:
        """Drop what has come, and have whoever waits for the rest raise this."""
        if not self._ended.is_set():
            self._error = error
            self.discard()

    def discard(self) -> None:
        """Drop it: the answer begins."""
        self._received = bytearray()
        self._budget.release(self)
        self._ended.set()

    async def whole(self) -> bytes:
        """Return all of it once it has come. Raises: what it was refused with, MemoryError."""
        await self._ended.wait()
        if self._error is not None:
            raise self._error
        received, self._received = bytes(self._received), bytearray()
        return received


async def read_body(body: RequestBody, request: Request) -> bytes:
    """Return the whole body, once it is there. Raises: RequestTimeout, RequestEntityTooLarge, BodiesTooLarge."""
    body.expect(request.content_length or 0)
    try:
        async with asyncio.timeout(request.body_timeout):
            return await body.whole()
    except TimeoutError as error:
        raise RequestTimeout from error
