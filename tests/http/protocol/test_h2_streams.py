"""What one HTTP/2 stream does leaves the connection's others as they are."""

from __future__ import annotations

import asyncio
import json
import struct

import h2.events
import pytest

from tests.http.protocol.raw_clients import GET_HEALTH, HEALTH, Fields, Http2Client, changed, http2, listening

UNKNOWN = changed(GET_HEALTH, path="/unknown", method="POST")
NO_JSON = changed(GET_HEALTH, path="/v1/completions", method="POST")
NO_KEY = [*NO_JSON, ("content-type", "application/json")]
COMPLETION = NO_KEY
ENDLESS = json.dumps({"prompt": "Hello", "max_tokens": 400, "min_tokens": 400, "stream": True}).encode()


async def is_served(client: Http2Client) -> bool:
    return await client.status_of(client.request(GET_HEALTH)) == "200"


@pytest.mark.parametrize(("fields", "status"), [(UNKNOWN, "404"), (NO_JSON, "415"), (NO_KEY, "401")])
async def test_an_answer_before_its_body_leaves_the_other_streams(fields: Fields, status: str) -> None:
    async with listening(api_key="secret" if status == "401" else None) as port, http2(port) as client:
        early = client.request(fields, end_stream=False)
        assert await client.status_of(early) == status

        client.send(early, b"x" * 10_000)
        client.send(early, b"x", end_stream=True)

        assert await is_served(client)


async def test_a_body_that_nobody_reads_any_more_gives_the_windows_back(port: int) -> None:
    async with http2(port) as client:
        early = client.request(NO_JSON, end_stream=False)
        await client.status_of(early)

        for _ in range(40):  # ten times a window's bytes
            await client.read_until(lambda: client.connection.local_flow_control_window(early) >= 2**14)
            client.send(early, b"x" * 2**14)

        assert await is_served(client)


@pytest.mark.parametrize("when", ["head", "half a body", "body", "first event", "second event"])
async def test_a_stream_that_is_reset_leaves_the_others(port: int, when: str) -> None:
    async with http2(port) as client:
        stream = client.request(COMPLETION, end_stream=False)
        if when == "half a body":
            client.send(stream, ENDLESS[:10])
        elif when != "head":
            client.send(stream, ENDLESS, end_stream=True)
        num_events = {"first event": 1, "second event": 2}.get(when, 0)
        await client.read_until(lambda: len(client.of(h2.events.DataReceived)) >= num_events)

        client.connection.reset_stream(stream)
        client.flush()

        assert await is_served(client)


async def test_what_comes_for_a_stream_that_is_over_leaves_the_others(port: int) -> None:
    async with http2(port) as client:
        stream = client.request(GET_HEALTH)
        await client.status_of(stream)

        client.writer.write(frame(0x3, 0, stream, struct.pack(">I", 8)) + frame(0x8, 0, stream, struct.pack(">I", 1)))

        assert await is_served(client)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (changed(GET_HEALTH, path="/caf\u00e9"), "400"),
        (changed(GET_HEALTH, path="/health?x=\u00e9"), "400"),
        (changed(GET_HEALTH, path="/%ff%00"), "404"),
        (changed(GET_HEALTH, method="CONNECT", path=None, scheme=None), "501"),
        (changed(GET_HEALTH, method="CONNECT", protocol="websocket"), "501"),
        (changed(GET_HEALTH, method="get"), "200"),
        (changed(GET_HEALTH, method="BREW"), "405"),
        (changed(GET_HEALTH, method="G\u00c9T"), None),
    ],
)
async def test_a_request_that_is_none_is_refused_alone(port: int, fields: Fields, status: str | None) -> None:
    async with http2(port) as client:
        stream = client.request(fields)

        assert await client.status_of(stream) == status
        assert await is_served(client)
        if status not in ("200", None):
            body = b"".join(each.data for each in client.of(h2.events.DataReceived) if each.stream_id == stream)
            assert json.loads(body)["error"]["message"]


async def test_priorities_mean_nothing(port: int, caplog: pytest.LogCaptureFixture) -> None:
    async with http2(port) as client:
        client.writer.write(b"".join(frame(0x2, 0, 2 * i + 101, struct.pack(">IB", 0, 5)) for i in range(1001)))
        client.writer.write(frame(0x2, 0, 7, struct.pack(">IB", 9, 5)) + frame(0x2, 0, 9, struct.pack(">IB", 7, 5)))

        assert await is_served(client)


async def test_a_connection_is_not_ended_for_its_requests_were_many(port: int) -> None:
    async with http2(port) as client:
        for _ in range(1010):
            assert await is_served(client)

        assert client.of(h2.events.ConnectionTerminated) == [], "it would end the streams that run"


async def test_an_upgrade_with_broken_settings_ends_its_connection_only(port: int) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: %s\r\n\r\n"
    for settings in (b"A", b"AAA", b"AAEAAQ"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEALTH[:-2] + upgrade % settings)
        async with asyncio.timeout(20):
            assert (await reader.read()).startswith(b"HTTP/1.1 101")
        writer.close()

    async with http2(port) as client:
        assert await is_served(client)


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream_id) + payload
