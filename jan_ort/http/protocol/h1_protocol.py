"""HTTP/1.1 that reads on while an answer is under way, so that it notices the client's going (hops 1 and 10)."""

from __future__ import annotations

import asyncio
import logging

import h11
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol

from jan_ort.http.protocol.h1_connection import PatientConnection
from jan_ort.http.protocol.late_body import LateBody
from jan_ort.http.protocol.rare_log import RareLog
from jan_ort.http.protocol.refusal import refusal

_rarely = RareLog(logging.getLogger(__name__))

MAX_AHEAD_BYTES = 2**16
"""What a client may send before its answer is complete: its next requests (pipelining). One that sends more is cut."""

_LARGE_BYTES = 2**12
"""After a larger read there may be another at once, without a turn of the loop."""


class GoOn(Event):
    """Sent after an answer, and handled in another task than the answer's: the next request is there already."""


class Http1(H11Protocol):
    """hypercorn's own, which reads nothing more while what follows a request waits for that request's answer.

    A stray line end, or the next request, would hide that the client has gone. It refuses with an empty body. And it
    closes the connection of whoever is answered before its body has come, who may never read why it was refused.
    """

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.connection = self._new_connection()
        self._reading = asyncio.Lock()
        self._has_ended = False
        self._late_body: LateBody | None = None

    async def handle(self, event: Event) -> None:
        """Take what was received, hear that nothing more will be, or go on with the next request."""
        if isinstance(event, RawData):
            await self._receive(event)
        elif isinstance(event, GoOn):
            await self._go_on()
        else:
            self._has_ended = self._has_ended or isinstance(event, Closed)
            if self._has_ended and self._holds_half_a_head:  # whose end came with it: hypercorn hears of no other
                await self._receive(RawData(b""))
            await super().handle(event)

    @property
    def _holds_half_a_head(self) -> bool:
        return self.connection.their_state is h11.IDLE and bool(self.connection.trailing_data[0])

    async def _go_on(self) -> None:
        async with self._reading:
            await self._handle_events()
        if self._has_ended:
            await self._close_stream()
        elif (body := self._late_body) is not None:
            await body.stall()
            if self._late_body is body:
                await self._close_late()

    async def _receive(self, event: RawData) -> None:
        async with self._reading:  # one after the other, for it takes several turns of the loop
            await super().handle(event)
        if isinstance(self.connection, PatientConnection) and len(self.connection.ahead) > MAX_AHEAD_BYTES:
            _rarely.warning("closed a connection from %s, which sent too much before its answer", self.client)
            await self._close_stream()
            await self.send(Closed())
        elif len(event.data) > _LARGE_BYTES:
            await asyncio.sleep(0)

    async def _handle_events(self) -> None:
        if self._late_body is None:
            await super()._handle_events()
        if self._late_body is not None:  # from now on, or for a while
            await self._drop(self._late_body)

    async def _drop(self, body: LateBody) -> None:
        if not body.drop():
            await self._close_late()
        elif body.is_whole:
            self._late_body = None
            await self._maybe_recycle()

    async def _close_late(self) -> None:
        self._late_body = None
        await self.send(Closed())

    async def _maybe_recycle(self) -> None:
        self._late_body = self._rest_of_request()
        if self._late_body is not None:
            await self._close_stream()
            await self.send(Updated(idle=True))  # it gives way to others
            await self.send(GoOn())
            return
        ahead = self.connection.trailing_data[0]
        await super()._maybe_recycle()
        if ahead and self.connection.our_state is h11.IDLE:
            self.connection = self._new_connection()
            self.connection.receive_data(ahead)
            await self.send(GoOn())

    def _rest_of_request(self) -> LateBody | None:
        """Return what is left of a request whose answer is whole; None if there is nothing, or the server ends."""
        if not isinstance(self.connection, PatientConnection) or self.context.terminated.is_set():
            return None
        is_answered = self.connection.our_state in (h11.DONE, h11.MUST_CLOSE)
        return LateBody(self.connection) if is_answered and self.connection.their_state is h11.SEND_BODY else None

    def _new_connection(self) -> PatientConnection:
        return PatientConnection(self.config.h11_max_incomplete_size)

    async def _send_error_response(self, status_code: int) -> None:
        fault = getattr(self.connection, "fault", "")
        message = "the request head is too large" if status_code == 431 else f"the request is not HTTP/1.1{fault}"
        headers, body = refusal(status_code, message, "bad_request")
        headers += [(b"connection", b"close"), *self.config.response_headers("h11")]
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())
