"""Floods of frames are bounded, and others have their turns meanwhile."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.http.protocol import frame_meter
from jan_ort.http.protocol.frame_meter import FrameMeter
from tests.http.protocol.raw_clients import COMPLETIONS, HEALTH, ask

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ENHANCE_YOUR_CALM = 0xB
NUM_BYTES = 2**20
TURN_S = 0.25
"""Of processor time; on a quiet machine a turn takes 10 ms at most."""


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream_id) + payload


def head(method: str, path: str, *others: tuple[str, str]) -> bytes:
    fields = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "localhost"), *others]
    return hpack.Encoder().encode(fields)


GET, POST = head("GET", "/health"), head("POST", "/v1/completions", ("content-type", "application/json"))


def resets(head_block: bytes, flags: int) -> bytes:
    cancel = struct.pack(">I", 8)
    return b"".join(frame(1, flags, i, head_block) + frame(3, 0, i, cancel) for i in range(1, 20_000, 2))


def header_bombs() -> bytes:
    first = frame(1, 5, 1, head("GET", "/health", ("a", "b" * 60)))
    return first + b"".join(frame(1, 5, i, b"\x82\x84\x86\x01\x01a" + b"\xbe" * 300) for i in range(3, 2000, 2))


FLOODS: dict[str, Callable[[], bytes]] = {
    "PING": lambda: frame(6, 0, 0, bytes(8)) * (NUM_BYTES // 17),
    "SETTINGS": lambda: frame(4, 0, 0, struct.pack(">HI", 4, 65535)) * (NUM_BYTES // 15),
    "large SETTINGS": lambda: frame(4, 0, 0, struct.pack(">HI", 4, 65535) * 2730) * (NUM_BYTES // 2**14),
    "PRIORITY": lambda: frame(2, 0, 1, struct.pack(">IB", 0, 5)) * (NUM_BYTES // 14),
    "WINDOW_UPDATE": lambda: frame(8, 0, 0, struct.pack(">I", 1)) * (NUM_BYTES // 13),
    "unknown": lambda: frame(0xBB, 0, 0) * (NUM_BYTES // 9),
    "empty DATA": lambda: frame(1, 4, 1, POST) + frame(0, 0, 1) * (NUM_BYTES // 9),
    "DATA of a byte": lambda: frame(1, 4, 1, POST) + frame(0, 0, 1, b"x") * 60_000,
    "RST_STREAM of a GET": lambda: resets(GET, 5),
    "RST_STREAM of a POST": lambda: resets(POST, 4),
    "header bombs": header_bombs,
}
OTHERS: dict[str, Callable[[], bytes]] = {
    "CONTINUATION": lambda: PREFACE + frame(4, 0, 0) + frame(1, 0, 1, GET) + frame(9, 0, 1) * (NUM_BYTES // 9),
    "chunks of a byte": lambda: COMPLETIONS + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50_000,
    "header lines": lambda: HEALTH[:-2] + b"a:b\r\n" * 3000 + b"\r\n",
    "line ends": lambda: b"\r\n" * (NUM_BYTES // 2),
    "a large body": lambda: COMPLETIONS + b"Content-Length: %d\r\n\r\n" % NUM_BYTES + bytes(NUM_BYTES),
    "pipelined requests": lambda: HEALTH * 500,
}


@contextmanager
def turns() -> Iterator[list[float]]:
    """Collect the processor time of each turn of the running loop."""
    loop: Any = asyncio.get_running_loop()
    run_once, taken = loop._run_once, []

    def timed() -> None:
        started = time.thread_time()
        run_once()
        taken.append(time.thread_time() - started)

    loop._run_once = timed
    yield taken
    loop._run_once = run_once


async def answer_to(port: int, sent: bytes) -> bytes:
    """Send bytes, and return all that is answered until the connection ends. A busy machine reads on for seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answered = b""
    async with asyncio.timeout(60):
        while received := await reader.read(2**16):
            answered += received
    writer.close()
    return answered


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_ends_its_connection_and_lets_others_in(port: int, flood: str) -> None:
    sent = PREFACE + frame(4, 0, 0) + FLOODS[flood]()

    with turns() as taken:
        answered, other = await asyncio.gather(answer_to(port, sent), ask(port, HEALTH))

    assert struct.pack(">BBII", 7, 0, 0, 0)[:6] in answered, "GOAWAY"
    assert struct.pack(">I", ENHANCE_YOUR_CALM) in answered
    assert other.startswith(b"HTTP/1.1 200")
    assert max(taken) < TURN_S


async def test_a_client_that_is_still_sending_reads_why_it_is_closed(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + frame(4, 0, 0))

    for _ in range(30):  # what comes after the connection's end must not have it reset
        writer.write(frame(6, 0, 0, bytes(8)) * 200)
        await writer.drain()
        await asyncio.sleep(0.01)
    async with asyncio.timeout(20):
        answered = await reader.read()
    writer.close()

    assert answered.endswith(struct.pack(">I", ENHANCE_YOUR_CALM))


async def test_a_flood_without_end_is_closed_in_the_end(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + frame(4, 0, 0))

    async def send_pings() -> None:
        while True:
            writer.write(frame(6, 0, 0, bytes(8)) * 2000)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(send_pings(), 20)
    writer.close()


@pytest.mark.parametrize("flood", OTHERS)
async def test_what_is_much_lets_others_in(port: int, flood: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    with turns() as taken:
        writer.write(OTHERS[flood]())
        other = await ask(port, HEALTH)
        await asyncio.wait([asyncio.ensure_future(reader.read(2**16))], timeout=1)

    writer.close()
    assert other.startswith(b"HTTP/1.1 200")
    assert max(taken) < TURN_S


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=200))), st.data())
def test_portions_are_what_was_received_however_it_is_cut(frames: list[tuple[int, bytes]], cuts: st.DataObject) -> None:
    received = PREFACE + b"".join(frame(kind, 0, 1, payload) for kind, payload in frames)
    cut = cuts.draw(st.integers(0, len(received)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_meter.time, "monotonic", lambda: 0.0)  # credit comes with time
        whole, pieces = FrameMeter(), FrameMeter()
        portions = list(whole.portions(received))
        others = [*pieces.portions(received[:cut]), *pieces.portions(received[cut:])]

    assert b"".join(portions) == b"".join(others) == received
    assert whole._credit == pytest.approx(pieces._credit)


def test_what_answers_need_is_not_charged() -> None:
    meter = FrameMeter()
    acknowledged = frame(8, 0, 0, bytes(4)) + frame(8, 0, 1, bytes(4))
    list(meter.portions(PREFACE))

    for _ in range(10_000):  # events of a stream, each with two acknowledgements
        meter.earn(4)
        list(meter.portions(acknowledged))

    assert not meter.is_overdrawn


def test_a_body_in_ordinary_frames_is_not_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_meter, "REFILL_A_S", 0)
    meter = FrameMeter()

    list(meter.portions(PREFACE + frame(0, 0, 1, bytes(1000)) * 16_000))

    assert not meter.is_overdrawn
