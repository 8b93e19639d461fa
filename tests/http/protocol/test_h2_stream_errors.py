"""What RFC 9113 calls a stream error ends its stream, and what it calls a connection error the connection."""

from __future__ import annotations

import struct

import h2.events
import hpack
import pytest
from h2.errors import ErrorCodes

from jan_ort.http.protocol.frame_meter import FrameMeter
from tests.http.protocol.raw_clients import GET_HEALTH, Fields, Http2Client, changed, http2
from tests.http.protocol.test_h2_streams import COMPLETION, ENDLESS, frame

DATA, HEADERS, PRIORITY, WINDOW_UPDATE, CONTINUATION = 0x0, 0x1, 0x2, 0x8, 0x9
END_STREAM, END_HEADERS, HAS_PRIORITY = 0x1, 0x4, 0x20
POST_10: Fields = [*COMPLETION, ("content-length", "10")]

MALFORMED = {
    "uppercase name": [*GET_HEALTH, ("X-Upper", "1")],
    "space in a name": [*GET_HEALTH, ("a b", "1")],
    "empty name": [*GET_HEALTH, ("", "1")],
    "line feed in a value": [*GET_HEALTH, ("a", "1\nb: 2")],
    "space before a value": [*GET_HEALTH, ("a", " 1")],
    "connection": [*GET_HEALTH, ("connection", "keep-alive")],
    "transfer-encoding": [*GET_HEALTH, ("transfer-encoding", "chunked")],
    "te": [*GET_HEALTH, ("te", "gzip")],
    "no method": changed(GET_HEALTH, method=None),
    "no path": changed(GET_HEALTH, path=None),
    "no scheme": changed(GET_HEALTH, scheme=None),
    "empty path": changed(GET_HEALTH, path=""),
    "two paths": [*GET_HEALTH, (":path", "/")],
    "unknown pseudo field": [*GET_HEALTH, (":new", "1")],
    "pseudo field of a response": [*GET_HEALTH, (":status", "200")],
    "pseudo field after others": [("a", "1"), *GET_HEALTH],
    "two lengths": [*GET_HEALTH, ("content-length", "1"), ("content-length", "2")],
    "no length": [*GET_HEALTH, ("content-length", "x")],
    "a length of no body": [*GET_HEALTH, ("content-length", "5")],
    "two hosts": [*GET_HEALTH, ("host", "other")],
}


class Streams:
    """A connection with a stream that runs, and the frames that a library would not send."""

    def __init__(self, client: Http2Client) -> None:
        self.client = client
        self.encoder = hpack.Encoder()
        self.running = self.request(COMPLETION, ends=False)
        self.write(frame(DATA, END_STREAM, self.running, ENDLESS))

    def write(self, sent: bytes) -> None:
        self.client.writer.write(sent)

    def request(self, fields: Fields, *, ends: bool = True, flags: int = END_HEADERS, before: bytes = b"") -> int:
        stream_id: int = self.client.connection.get_next_available_stream_id()
        self.client.connection.send_headers(stream_id, GET_HEALTH, end_stream=False)
        self.client.connection.data_to_send()  # the library only notes that the stream is there
        self.fields(stream_id, fields, ends=ends, flags=flags, before=before)
        return stream_id

    def fields(
        self, stream_id: int, fields: Fields, *, ends: bool = True, flags: int = END_HEADERS, before: bytes = b""
    ) -> None:
        block = before + self.encoder.encode([(name.encode(), value.encode()) for name, value in fields])
        self.write(frame(HEADERS, flags | (END_STREAM if ends else 0), stream_id, block))

    def resets(self) -> list[tuple[int, ErrorCodes]]:
        return [(each.stream_id, each.error_code) for each in self.client.of(h2.events.StreamReset)]

    async def others_go_on(self) -> bool:
        """Return whether a new stream is served, and the one that ran from the beginning is whole."""
        is_served = await self.client.status_of(self.request(GET_HEALTH)) == "200"
        return (
            is_served and await self.client.status_of(self.running) == "200" and self.running not in dict(self.resets())
        )


async def test_a_malformed_request_ends_its_stream(port: int) -> None:
    async with http2(port) as client:
        streams = Streams(client)

        sent = {streams.request(fields): what for what, fields in MALFORMED.items()}

        assert await streams.others_go_on()
        ended = {sent.get(stream): code for stream, code in streams.resets()}
        assert ended == dict.fromkeys(MALFORMED, ErrorCodes.PROTOCOL_ERROR)


async def test_a_body_of_another_length_ends_its_stream(port: int) -> None:
    bodies = [(b"x" * 11,), (b"x" * 9,), (b"x" * 10, b"x"), (b"",), (b"x" * 10_000,), (b"x" * 11, b"x", b"x")]
    async with http2(port) as client:
        streams = Streams(client)

        opened = [streams.request(POST_10, ends=False) for _ in bodies]
        for stream, pieces in zip(opened, bodies, strict=True):
            for piece in pieces:
                streams.write(frame(DATA, END_STREAM if piece is pieces[-1] else 0, stream, piece))

        assert await streams.others_go_on()
        first = dict(reversed(streams.resets()))
        assert first == dict.fromkeys(opened, ErrorCodes.PROTOCOL_ERROR)


@pytest.mark.parametrize(
    ("body", "trailers", "ends"),
    [
        (b"x" * 10, [("a", "1")], False),
        (b"x" * 10, [(":path", "/")], True),
        (b"x" * 10, [("A", "1")], True),
        (b"x" * 9, [("a", "1")], True),
    ],
    ids=["without an end", "pseudo field", "uppercase name", "short body"],
)
async def test_malformed_trailers_end_their_stream(port: int, body: bytes, trailers: Fields, ends: bool) -> None:
    async with http2(port) as client:
        streams = Streams(client)
        stream = streams.request(POST_10, ends=False)
        streams.write(frame(DATA, 0, stream, body))

        streams.fields(stream, trailers, ends=ends)

        assert await streams.others_go_on()
        assert streams.resets() == [(stream, ErrorCodes.PROTOCOL_ERROR)]


async def test_malformed_trailers_after_the_answer_leave_the_others(port: int) -> None:
    async with http2(port) as client:
        streams = Streams(client)
        stream = streams.request(changed(GET_HEALTH, path="/unknown", method="POST"), ends=False)
        await client.status_of(stream)

        streams.fields(stream, [("A", "1")])

        assert await streams.others_go_on()


@pytest.mark.parametrize(
    ("kind", "flags", "payload", "code"),
    [
        (WINDOW_UPDATE, 0, struct.pack(">I", 0), ErrorCodes.PROTOCOL_ERROR),
        (WINDOW_UPDATE, 0, struct.pack(">I", 2**31 - 1), ErrorCodes.FLOW_CONTROL_ERROR),
        (DATA, 0, b"x", ErrorCodes.STREAM_CLOSED),
        (HEADERS, END_HEADERS, b"\x82", ErrorCodes.STREAM_CLOSED),
    ],
    ids=["window of nothing", "window too wide", "data after the end", "fields after the end"],
)
async def test_a_frame_that_a_stream_must_not_have_ends_it(
    port: int, kind: int, flags: int, payload: bytes, code: ErrorCodes
) -> None:
    async with http2(port) as client:
        streams = Streams(client)
        stream = streams.request(COMPLETION, ends=False)
        streams.write(frame(DATA, END_STREAM, stream, ENDLESS))

        streams.write(frame(kind, flags, stream, payload))

        assert await streams.others_go_on()
        assert streams.resets() == [(stream, code)]


async def test_priorities_mean_nothing_whatever_they_say(port: int) -> None:
    async with http2(port) as client:
        streams = Streams(client)

        streams.write(frame(PRIORITY, 0, streams.running, struct.pack(">IB", streams.running, 5)))
        streams.write(frame(PRIORITY, 0, streams.running, b"1"))
        next_id = streams.running + 2
        stream = streams.request(GET_HEALTH, flags=END_HEADERS | HAS_PRIORITY, before=struct.pack(">IB", next_id, 5))

        assert await client.status_of(stream) == "200"
        assert await streams.others_go_on()
        assert streams.resets() == []


async def test_streams_that_are_too_many_are_refused_alone(port: int) -> None:
    async with http2(port) as client:
        streams = Streams(client)
        opened = [streams.request(POST_10, ends=False) for _ in range(150)]
        await client.read_until(lambda: len(streams.resets()) == 51)

        for stream in opened[:99]:
            client.connection.reset_stream(stream)
        client.flush()

        assert await streams.others_go_on()
        assert streams.resets() == [(stream, ErrorCodes.REFUSED_STREAM) for stream in opened[99:]]


async def test_streams_that_were_reset_leave_room_for_others(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrameMeter, "is_overdrawn", False)  # a client that takes its time is never overdrawn
    async with http2(port) as client:
        for _ in range(13):
            for _ in range(80):
                client.connection.reset_stream(client.request(COMPLETION, end_stream=False))
            client.flush()
            assert await client.status_of(client.request(GET_HEALTH)) == "200"


async def test_faulty_bodies_give_the_window_of_the_connection_back(port: int) -> None:
    async with http2(port) as client:
        streams = Streams(client)

        for _ in range(10):
            stream = streams.request(POST_10, ends=False)
            streams.write(frame(DATA, END_STREAM, stream, b"x" * 2**14))
            await client.read_until(lambda stream=stream: stream in dict(streams.resets()))

        assert await streams.others_go_on()


@pytest.mark.parametrize(
    ("kind", "flags", "stream", "payload", "code"),
    [
        (WINDOW_UPDATE, 0, 0, struct.pack(">I", 0), ErrorCodes.PROTOCOL_ERROR),
        (WINDOW_UPDATE, 0, 1, b"123", ErrorCodes.FRAME_SIZE_ERROR),
        (WINDOW_UPDATE, 0, 99, struct.pack(">I", 0), ErrorCodes.PROTOCOL_ERROR),
        (DATA, 0, 99, b"x", ErrorCodes.PROTOCOL_ERROR),
        (PRIORITY, 0, 0, struct.pack(">IB", 1, 5), ErrorCodes.PROTOCOL_ERROR),
        (CONTINUATION, END_HEADERS, 1, b"\x82", ErrorCodes.PROTOCOL_ERROR),
        (HEADERS, END_HEADERS | END_STREAM, 99, b"\xff\xff\xff", ErrorCodes.PROTOCOL_ERROR),
        (HEADERS, END_HEADERS | END_STREAM, 98, b"\x82", ErrorCodes.PROTOCOL_ERROR),
    ],
    ids=["window", "size", "idle window", "idle data", "priority of 0", "continuation", "compression", "even"],
)
async def test_what_is_a_connection_error_ends_the_connection(
    port: int, kind: int, flags: int, stream: int, payload: bytes, code: ErrorCodes
) -> None:
    async with http2(port) as client:
        streams = Streams(client)

        streams.write(frame(kind, flags, stream, payload))

        await client.read_until(lambda: client.has_ended)
        assert [each.error_code for each in client.of(h2.events.ConnectionTerminated)] == [code]
