"""A client that goes, or says that it sends no more, is noticed and let go, whatever it has sent before."""

from __future__ import annotations

import asyncio
import json

import pytest

from jan_ort.http.protocol.h1_protocol import Http1
from tests.endurance.departing import WAYS, departing
from tests.http.handlers.serving import until
from tests.http.protocol.raw_clients import COMPLETIONS, HEALTH

GONE = "the client disconnected"
SHORT = json.dumps({"prompt": "Hello", "max_tokens": 2}).encode()
ENDLESS = json.dumps({"prompt": ["Hello"] * 200, "max_tokens": 400, "min_tokens": 400}).encode()
TOKENIZE = COMPLETIONS.replace(b"/v1/completions", b"/extras/tokenize")
CLOSING = COMPLETIONS + b"Connection: close\r\n"


def completion(body: bytes, head: bytes = COMPLETIONS) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def answers(reader: asyncio.StreamReader, number: int) -> list[bytes]:
    """Read so many answers, and return the first line of each."""
    lines = []
    async with asyncio.timeout(20):
        for _ in range(number):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            lines.append(head.partition(b"\r\n")[0].strip())
    return lines


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("head", [COMPLETIONS, CLOSING], ids=["keep-alive", "close"])
@pytest.mark.parametrize("after", [b"", b"\r\n", b"\r\n\r\n", HEALTH, completion(SHORT), b"GET /hea", b"\x00" * 40_000])
async def test_what_follows_a_request_does_not_hide_that_the_client_has_gone(
    port: int, caplog: pytest.LogCaptureFixture, way: str, head: bytes, after: bytes
) -> None:
    caplog.set_level("INFO")
    async with departing(port, way) as (_, writer):
        writer.write(completion(ENDLESS, head) + after)
        await asyncio.sleep(0.05)
        writer.write(after)
        await asyncio.sleep(0.05)

    await until(lambda: any(GONE in each for each in caplog.messages), timeout_s=5)


async def test_requests_that_come_at_once_are_answered_in_their_order(port: int) -> None:
    async with departing(port, "close") as (reader, writer):
        writer.write(completion(SHORT) + HEALTH + b"\r\n" + completion(b"{") + HEALTH[:20])
        await asyncio.sleep(0.05)
        writer.write(HEALTH[20:])

        assert await answers(reader, 4) == [b"HTTP/1.1 200", b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 200"]


async def test_line_ends_around_requests_are_ignored(port: int) -> None:
    async with departing(port, "close") as (reader, writer):
        for before, after in ((b"\r\n", b"\r\n"), (b"", b"\r\n\r\n"), (b"\r\n", b"")):
            writer.write(before + completion(SHORT) + after)
            assert await answers(reader, 1) == [b"HTTP/1.1 200"]
            writer.write(b"\r\n")

    async with departing(port, "close") as (reader, writer):
        writer.write(completion(SHORT, CLOSING) + b"\r\n")
        assert await answers(reader, 1) == [b"HTTP/1.1 200"]
        assert await reader.read() == b""


async def test_a_client_that_sends_too_much_before_its_answer_is_cut(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with departing(port, "close") as (reader, writer):
        writer.write(completion(ENDLESS))
        await asyncio.sleep(0.05)
        writer.write(HEALTH * 10_000)
        async with asyncio.timeout(20):
            assert await reader.read() == b""

    assert sum(GONE in each for each in caplog.messages) == 1


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (HEALTH, [b"200"]),
        (HEALTH * 3, [b"200"] * 3),
        (b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n", [b"200"]),
        (
            COMPLETIONS.replace(b"/v1/completions", b"/extras/tokenize") + b'Content-Length: 14\r\n\r\n{"input": "a"}',
            [b"200"],
        ),
        (COMPLETIONS + b"Content-Length: 1\r\n\r\n{", [b"400"]),
        (COMPLETIONS.replace(b"json", b"xml") + b"Content-Length: 9\r\n\r\n{", [b"415"]),
        (b"NONSENSE\r\n\r\n", [b"400"]),
        (b"", []),
        (HEALTH[:20], [b"400"]),
        (completion(ENDLESS) + HEALTH, []),
    ],
)
async def test_one_that_sends_no_more_gets_what_can_be_answered_at_once_and_is_let_go(
    port: int, sent: bytes, expected: list[bytes]
) -> None:
    async with asyncio.timeout(20), departing(port, "close") as (reader, writer):
        writer.write(sent)
        writer.write_eof()
        answered = await reader.read()  # to the end, which the idle time of 75 s would put off

    assert [line.split()[1] for line in answered.splitlines() if line.startswith(b"HTTP/1.1 ")] == expected


async def test_half_a_request_is_answered_that_came_with_its_end(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def initiate(connection: Http1) -> None:
        await asyncio.sleep(0.1)  # as on a busy machine, until both are there

    monkeypatch.setattr(Http1, "initiate", initiate)

    async with asyncio.timeout(20), departing(port, "close") as (reader, writer):
        writer.write(HEALTH[:20])
        writer.write_eof()

        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sent", [HEALTH, HEALTH * 3, completion(SHORT), completion(ENDLESS), b"NONSENSE\r\n\r\n"])
async def test_nothing_is_left_of_a_connection_whose_client_goes_in_any_turn(port: int, way: str, sent: bytes) -> None:
    before = len(asyncio.all_tasks())
    for num_turns in range(20):
        async with departing(port, way) as (_, writer):
            writer.write(sent)
            for _ in range(num_turns):
                await asyncio.sleep(0)

    await until(lambda: len(asyncio.all_tasks()) <= before, timeout_s=5)
