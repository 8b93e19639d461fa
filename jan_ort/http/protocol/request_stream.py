"""One request and its answer, as both protocols have them (hops 1 and 9)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from hypercorn.protocol.events import Body, EndBody, Event, Request
from hypercorn.protocol.http_stream import HTTPStream

from jan_ort.http.protocol.refusal import refusing_app
from jan_ort.http.protocol.write_deadline import PIECE_BYTES
from jan_ort.http.websocket import NOT_SPOKEN, websocket_refusal

_BODIES_A_TURN = 64
"""Pieces of a body that are taken in one turn of the loop; a client may send it byte by byte."""


class RequestStream(HTTPStream):
    """A request that the app need not be able to read, with an answer that is passed on piece by piece."""

    app_put: Any = None  # upstream asks for it when a stream ends before the app was called
    is_received = False
    _num_bodies = 0

    async def handle(self, event: Event) -> None:
        """Take what the protocol has read."""
        if isinstance(event, Request):
            event = self._checked(event)
        elif isinstance(event, Body):
            self._num_bodies += 1
            if self._num_bodies % _BODIES_A_TURN == 0:
                await asyncio.sleep(0)
        elif isinstance(event, EndBody):
            self.is_received = True
        await super().handle(event)

    def _checked(self, request: Request) -> Request:
        """Return a request that upstream can read; one that is none of ours is refused, by an app of its own."""
        if request.method == "CONNECT":
            self.app = refusing_app(501, f"CONNECT is not supported; {NOT_SPOKEN}", "not_implemented")
        elif not request.raw_path.isascii():
            self.app = refusing_app(400, "the path is not ASCII; other characters are written %C3%A9", "bad_request")
            return replace(request, raw_path=quote(request.raw_path, safe="/?").encode())
        return request

    async def app_send(self, message: Any) -> None:
        """Take what the app answers. A large body waits in pieces, not as a whole that was copied for its client."""
        body = memoryview((message or {}).get("body", b""))
        if len(body) <= PIECE_BYTES:
            await super().app_send(message)
            return
        for start in range(0, len(body), PIECE_BYTES):
            end = start + PIECE_BYTES
            more_body = message.get("more_body", False) or end < len(body)
            piece: Any = {**message, "body": body[start:end], "more_body": more_body}
            await super().app_send(piece)


class WebsocketStream(RequestStream):
    """A request to speak WebSocket, which no operation does."""

    def _checked(self, request: Request) -> Request:
        request = super()._checked(request)
        path = unquote(request.raw_path.partition(b"?")[0].decode("ascii"))
        self.app = refusing_app(*websocket_refusal(path))
        return request
