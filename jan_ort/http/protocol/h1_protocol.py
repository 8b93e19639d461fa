"""HTTP/1.1 whose malformed requests are answered in JSON, and which lets others in between two reads (hop 1)."""

from __future__ import annotations

import asyncio

import h11
from hypercorn.events import Event, RawData
from hypercorn.protocol.h11 import H11Protocol

from jan_ort.http.protocol.refusal import refusal

_LARGE_BYTES = 2**12
"""After a larger read there may be another at once, without a turn of the loop."""


class Http1(H11Protocol):
    """hypercorn's own, which answers with an empty body."""

    async def handle(self, event: Event) -> None:
        """Take what was received."""
        await super().handle(event)
        if isinstance(event, RawData) and len(event.data) > _LARGE_BYTES:
            await asyncio.sleep(0)

    async def _send_error_response(self, status_code: int) -> None:
        message = "the request head is too large" if status_code == 431 else "the request is not HTTP/1.1"
        headers, body = refusal(status_code, message, "bad_request")
        headers += [(b"connection", b"close"), *self.config.response_headers("h11")]
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())
