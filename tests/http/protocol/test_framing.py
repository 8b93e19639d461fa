"""Where a request of HTTP/1.1 ends, every server on the way must see alike, or another one is smuggled past it."""

from __future__ import annotations

import asyncio
import inspect
import json

import h11
import pytest
from h11._receivebuffer import ReceiveBuffer

from tests.http.protocol.raw_clients import COMPLETIONS, HEALTH

BODY = b'{"prompt": "a", "max_tokens": 1}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
LAST = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def chunked(last: bytes = b"0\r\n\r\n", *, chunk: bytes = CHUNK) -> bytes:
    return COMPLETIONS + CHUNKED + b"\r\n" + chunk + last


def with_lines(lines: bytes, body: bytes) -> bytes:
    return COMPLETIONS + lines + b"\r\n" + body


async def statuses(port: int, sent: bytes) -> tuple[list[int], bytes]:
    """Return the status of each answer until the server ends the connection, and the last one's body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent + LAST)
    async with asyncio.timeout(20):
        received = await reader.read()
    writer.close()
    return [int(each[:3]) for each in received.split(b"HTTP/1.1 ")[1:]], received.rpartition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "sent",
    [
        with_lines(LENGTH + CHUNKED, CHUNK + b"0\r\n\r\n"),
        with_lines(CHUNKED + LENGTH, CHUNK + b"0\r\n\r\n"),
        with_lines(b"content-length: 0\r\n" + CHUNKED, CHUNK + b"0\r\n\r\n"),
        HEALTH.replace(b"\r\n\r\n", b"\r\n" + LENGTH + CHUNKED + b"\r\n") + CHUNK + b"0\r\n\r\n",
        with_lines(LENGTH + b"Content-Length: 2\r\n", BODY),
        with_lines(b"Content-Length: %d, 2\r\n" % len(BODY), BODY),
        with_lines(LENGTH.replace(b": ", b": +"), BODY),
        with_lines(LENGTH.replace(b": ", b": -"), BODY),
        with_lines(b"Content-Length: 0x20\r\n", BODY),
        with_lines(b"Content-Length:\r\n", BODY),
        with_lines(LENGTH.replace(b":", b" :"), BODY),
        with_lines(CHUNKED.replace(b":", b" :"), CHUNK + b"0\r\n\r\n"),
        with_lines(CHUNKED.replace(b": ", b": \x0b"), CHUNK + b"0\r\n\r\n"),
        with_lines(b"Transfer-Encoding:\r\n chunked\r\n", CHUNK + b"0\r\n\r\n"),
        with_lines(b"X: y\r\n\tz\r\n" + LENGTH, BODY),
        COMPLETIONS.replace(b"Host:", b" X: y\r\nHost:") + LENGTH + b"\r\n" + BODY,
        COMPLETIONS.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n" + CHUNK + b"0\r\n\r\n",
        with_lines(b"X: y\n" + LENGTH, BODY),
        with_lines(b"X: y\n" + CHUNKED, CHUNK + b"0\r\n\r\n"),
        COMPLETIONS + LENGTH + b"\n" + BODY,
        with_lines(LENGTH, BODY).replace(b"\r\n", b"\n"),
        with_lines(b"X: y\r" + CHUNKED + LENGTH, BODY),
        with_lines(b"X: y\r\r\n" + LENGTH, BODY),
        with_lines(b"X: y\0\r\n" + LENGTH, BODY),
        with_lines(b"Host: elsewhere\r\n" + LENGTH, BODY),
        chunked(chunk=CHUNK.replace(b"\r\n{", b"\n{")),
        chunked(chunk=CHUNK.replace(b"\r\n{", b";a\rb\r\n{")),
        chunked(chunk=CHUNK.replace(b"\r\n{", b";a\nb\r\n{")),
        chunked(chunk=CHUNK.replace(b"}\r\n", b"}\n")),
        chunked(chunk=CHUNK.replace(b"}\r\n", b"}  ")),
        chunked(chunk=b"0x" + CHUNK),
        chunked(chunk=b"+" + CHUNK),
        chunked(chunk=b"-" + CHUNK),
        chunked(chunk=b"0" * 30 + CHUNK),
        chunked(b"0\r\n\n"),
        chunked(b"0\r\nX: y\n\r\n"),
        chunked(b"0\r\nX: y\r\n z\r\n\r\n"),
    ],
)
async def test_what_could_be_read_in_two_ways_is_refused_and_ends_its_connection(port: int, sent: bytes) -> None:
    given, body = await statuses(port, sent)

    assert given == [400]
    assert json.loads(body)["error"]["message"].startswith("the request is not HTTP/1.1: ")


@pytest.mark.parametrize("value", [b"identity", b"gzip, chunked", b"chunked, identity", b"xchunked", b"chunked;q=1"])
async def test_an_encoding_that_is_unknown_ends_its_connection(port: int, value: bytes) -> None:
    given, _ = await statuses(port, with_lines(CHUNKED.replace(b"chunked", value), CHUNK + b"0\r\n\r\n"))

    assert given == [501]


@pytest.mark.parametrize(
    "sent",
    [
        with_lines(LENGTH, BODY),
        with_lines(LENGTH + LENGTH, BODY),
        with_lines(LENGTH.replace(b": ", b":\t "), BODY),
        chunked(),
        chunked(chunk=CHUNK.replace(b"\r\n{", b";name=value\r\n{")),
        chunked(b"0\r\nX: y\r\n\r\n"),
        chunked(chunk=b"".join(b"1\r\n%c\r\n" % each for each in BODY)),
        with_lines(CHUNKED.replace(b"chunked", b"Chunked"), CHUNK + b"0\r\n\r\n"),
        b"\r\n" + with_lines(LENGTH, BODY),
    ],
)
async def test_what_is_plain_is_served_and_so_is_the_next_request(port: int, sent: bytes) -> None:
    given, _ = await statuses(port, sent)

    assert given == [200, 200]


def test_lines_reach_h11_through_the_two_methods_that_are_overridden() -> None:
    used = {each.split("(")[0] for each in inspect.getsource(h11._readers).split("buf.maybe_extract_")[1:]}

    assert "ReceiveBuffer()" in inspect.getsource(h11.Connection.__init__)
    assert hasattr(ReceiveBuffer, "maybe_extract_lines")
    assert used == {"lines", "next_line", "at_most"}, "jan_ort/http/protocol/h1_lines.py overrides the first two"
