"""A request's body as bytes (hop 2)."""

from __future__ import annotations

import asyncio

from quart import Request
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout


async def read_body(request: Request) -> bytes:
    """Return the whole body, once it is there. Raises: RequestTimeout, RequestEntityTooLarge.

    Not by ``request.get_data()``: Python 3.11's ``asyncio.wait_for`` in it swallows the cancellation of a client that
    goes in the same turn of the loop as its body comes, and the answer would be computed for nobody. And Quart 0.23
    looks at the size of a body that does not tell it only once all of it is in memory.
    """
    body, limit = bytearray(), request.max_content_length
    try:
        async with asyncio.timeout(request.body_timeout):
            async for part in request.body:
                body += part
                if limit is not None and len(body) > limit:
                    raise RequestEntityTooLarge
    except TimeoutError as error:
        raise RequestTimeout from error
    return bytes(body)
