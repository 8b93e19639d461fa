"""Malformed HTTP: whole conversations of both versions, each damaged in some places."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Iterator

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PIECES = (
    b"\r\n",
    b"\0",
    b"\xff" * 9,
    b"%00",
    b":",
    b" " * 40,
    b"HTTP/1.1",
    b"chunked",
    b"Upgrade: h2c\r\n",
    b"-1",
    b"9" * 40,
)
H1_HEADS = (
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/models/a%2Fb?x=1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
    b'{"prompt": []}',
    b"POST /extras/tokenize HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n"
    b'Transfer-Encoding: chunked\r\n\r\n8;a=b\r\n{"input"\r\n6\r\n: "a"}\r\n0\r\nX: y\r\n\r\n',
    b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + PREFACE,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85abcdefgh",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\nCONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
)
METHODS, PATHS = (
    ("GET", "POST", "CONNECT", "head", "\xe9", ""),
    ("/health", "/v1/completions", "*", "", "//a", "/\xe9?\xff"),
)


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream_id) + payload


def head_block(rng: random.Random) -> bytes:
    fields = [(":method", rng.choice(METHODS)), (":path", rng.choice(PATHS)), (":scheme", "http"), (":authority", "a")]
    others = [("content-type", "application/json"), ("content-length", "2"), ("te", "trailers"), ("x", "\xff\xfe")]
    return hpack.Encoder().encode([*(each for each in fields if rng.random() > 0.03), *rng.sample(others, 2)])


def h2_frame(rng: random.Random) -> bytes:
    """Return a frame of any kind, that may be meant for any stream."""
    kind, stream_id = rng.randrange(11), rng.choice((0, 1, 1, 3, 5, 7, 9, 2, 2**31 - 1))
    payload = {
        1: lambda: head_block(rng),
        2: lambda: struct.pack(">IB", rng.choice((0, 1, stream_id)), 9),
        3: lambda: struct.pack(">I", rng.randrange(15)),
        4: lambda: b"".join(struct.pack(">HI", rng.randrange(9), rng.choice((0, 1, 2**14, 2**31))) for _ in range(2)),
        8: lambda: struct.pack(">I", rng.choice((0, 1, 2**31 - 1))),
        9: lambda: head_block(rng),
    }.get(kind, lambda: rng.randbytes(rng.choice((0, 2, 8, 40))))()
    if kind in (0, 4, 6, 7) or rng.random() < 0.1:
        stream_id = stream_id if kind == 0 else 0
    return frame(kind, rng.choice((0, 1, 4, 5, 0x2D)), stream_id, payload)


def damaged(rng: random.Random, sound: bytes) -> bytes:
    """Return bytes with up to three places overwritten, cut out, doubled or filled with something else."""
    for _ in range(rng.randrange(4)):
        start = rng.randrange(len(sound) + 1)
        end = min(start + rng.randrange(1, 9), len(sound))
        middle = rng.choice((b"", sound[start:end] * 2, rng.randbytes(end - start), rng.choice(PIECES)))
        sound = sound[:start] + middle + sound[end:]
    return sound


def conversations(rng: random.Random) -> Iterator[bytes]:
    """Yield what one client each sends, without an end."""
    while True:
        yield damaged(rng, b"".join(rng.choices(H1_HEADS, k=rng.randrange(1, 3))))
        first = frame(4, 0, 0, b"") + frame(1, rng.choice((4, 5)), 1, head_block(rng))
        frames = b"".join(h2_frame(rng) for _ in range(rng.randrange(1, 12)))
        yield (PREFACE if rng.random() > 0.05 else PREFACE[:-2]) + damaged(rng, first) + damaged(rng, frames)


async def send(port: int, num_bytes: int, seed: int) -> bytes:
    """Send at least so many bytes, a conversation a connection, and return all that was answered."""
    answered = b""
    for sent in conversations(random.Random(seed)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        num_bytes -= len(sent)
        try:
            async with asyncio.timeout(0.03):
                while received := await reader.read(2**16):
                    answered += received
        except (ConnectionError, TimeoutError):
            pass
        writer.close()
        if num_bytes <= 0:
            return answered
    raise AssertionError("there is always another one")
