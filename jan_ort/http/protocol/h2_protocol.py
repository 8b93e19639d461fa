"""HTTP/2 whose clients cannot stop the others, nor one stream the next (hops 1 and 9)."""

from __future__ import annotations

import asyncio
import binascii
import logging
from contextlib import suppress

import h2.events
from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Body, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState
from hyperframe.exceptions import HyperframeError

from jan_ort.http.protocol.frame_meter import FrameMeter
from jan_ort.http.protocol.h2_connection import StreamwiseConnection
from jan_ort.http.protocol.rare_log import RareLog

_rarely = RareLog(logging.getLogger(__name__))

_FRAMES_AN_ANSWER, _FRAMES_A_BODY = 2, 4
"""What a client may send for an answer's head, and for each frame of its body: acknowledgements, mostly."""

_HEADERS_A_FRAME = 16
"""Decoding and checking so many takes as long as a frame."""

_PARTING_S, _PARTING_BYTES = 1.0, 2**24
"""How long and how much of a flood is read on and dropped: closed at once, the connection is reset, and its client,
still sending, may never read why (RFC 9112, section 9.6)."""


class Http2(H2Protocol):
    """hypercorn's own, which ends a connection by an exception where a stream or a frame is at fault."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.connection = StreamwiseConnection(self.connection)
        self.connection.decoder.max_header_list_size = self.config.h2_max_header_list_size  # else once it is agreed to
        self._meter = FrameMeter()
        self._num_dropped_bytes = 0

    async def initiate(self, headers: list[tuple[bytes, bytes]] | None = None, settings: bytes | None = None) -> None:
        """Begin, as HTTP/2 or by an upgrade from HTTP/1.1, whose settings may be anything."""
        try:
            await super().initiate(headers, settings)
        except (binascii.Error, HyperframeError, ProtocolError):
            await self.send(Closed())
        await self._note_idle()  # upstream takes the preface for a request, which never ends

    async def _note_idle(self) -> None:
        await self.send(Updated(idle=self.idle))

    async def handle(self, event: Event) -> None:
        """Take what was received: some frames in each turn of the loop, and no flood of them."""
        if not isinstance(event, RawData):
            await self._close_streams()
            await super().handle(event)
            return
        if self._is_closed:
            await self._drop_flood(event.data)
            return
        for portion in self._meter.portions(event.data):
            if self._is_closed:
                return
            await super().handle(RawData(portion))
            if self._meter.is_overdrawn:
                await self._calm()
            await asyncio.sleep(0)

    @property
    def _is_closed(self) -> bool:
        return bool(self.connection.state_machine.state is ConnectionState.CLOSED)

    async def _close_streams(self) -> None:
        """Tell the app of each stream's end in a turn of its own; a hundred answers that end take 40 ms."""
        for stream_id in list(self.streams):
            await self._close_stream(stream_id)
            await asyncio.sleep(0)

    async def _calm(self) -> None:
        _rarely.warning("closed a connection from %s, which sent too many frames", self.client)
        self.connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
        await self._flush()
        await self._close_streams()
        await self._note_idle()  # it gives way to others
        self.task_group.spawn(self._part)

    async def _part(self) -> None:
        await asyncio.sleep(_PARTING_S)
        await self.send(Closed())

    async def _drop_flood(self, received: bytes) -> None:
        self._num_dropped_bytes += len(received)
        if self._num_dropped_bytes > _PARTING_BYTES:
            await self.send(Closed())

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            await self._handle_event(event)
        await self._flush()

    async def _handle_event(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived) and event.stream_id not in self.streams:
            # Its answer came before its body had: what is left of that is for nobody, but fills the windows.
            self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            return
        if isinstance(event, h2.events.RequestReceived) and not _complete(event.headers):
            self._send_reset(event.stream_id, ErrorCodes.PROTOCOL_ERROR)
            return
        await super()._handle_events([event])
        if isinstance(event, h2.events.RequestReceived):
            self.keep_alive_requests = 0  # the limit on them would cut the streams that run
            self._meter.earn(-len(event.headers) / _HEADERS_A_FRAME)  # a byte of HPACK may stand for a long one
        elif isinstance(event, h2.events.StreamReset):
            await self._forget(event.stream_id)  # upstream keeps it, and has room for 1,000
            await self._note_idle()  # which upstream does for a stream that the app has ended

    async def stream_send(self, event: StreamEvent) -> None:
        """Pass on what a stream sends. One whose client does not take it in time is ended."""
        if isinstance(event, Response):
            self._meter.earn(_FRAMES_AN_ANSWER)
        elif isinstance(event, Body):
            self._meter.earn(_FRAMES_A_BODY * (1 + len(event.data) // self.connection.max_outbound_frame_size))
        try:
            if isinstance(event, StreamClosed):
                await self._end(event.stream_id)
            await super().stream_send(event)
        except TimeoutError:
            await self._drop(event.stream_id)

    async def _end(self, stream_id: int) -> None:
        """Reset a stream whose answer has no end, after the last of it: upstream lets its client wait for ever."""
        stream, buffer = self.streams.get(stream_id), self.stream_buffers.get(stream_id)
        if buffer is None or getattr(stream, "state", None) is not ASGIHTTPState.RESPONSE:
            return
        if buffer.buffer:
            await buffer.drain()
        await self._reset(stream_id, ErrorCodes.INTERNAL_ERROR)

    def _send_reset(self, stream_id: int, code: ErrorCodes) -> None:
        with suppress(ProtocolError):  # the client has ended the stream or the connection already
            self.connection.reset_stream(stream_id, code)

    async def _drop(self, stream_id: int) -> None:
        _rarely.warning("reset a stream of %s, whose client does not read it", self.client)
        await self._reset(stream_id, ErrorCodes.CANCEL)
        await self._close_stream(stream_id)
        await self._note_idle()

    async def _reset(self, stream_id: int, code: ErrorCodes) -> None:
        if await self._forget(stream_id):
            self._send_reset(stream_id, code)
            await self._flush()

    async def _forget(self, stream_id: int) -> bool:
        """Let go of what waits to be sent, and return whether the stream was there."""
        buffer = self.stream_buffers.pop(stream_id, None)
        if buffer is not None:
            self.priority.remove_stream(stream_id)
            await buffer.close()
        return buffer is not None

    async def _send_data(self, stream_id: int) -> None:
        with suppress(KeyError):  # the stream has been forgotten meanwhile
            await super()._send_data(stream_id)


def _complete(headers: list[tuple[bytes, bytes]]) -> bool:
    """Give the headers of a request the path that a CONNECT has not; False if its method is no method."""
    fields = dict(headers)
    if b":path" not in fields:
        headers.append((b":path", b"/"))
    return fields[b":method"].isascii()
