"""A client that goes is noticed, whenever and however it goes: nothing is computed for nobody."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.endurance.departing import PROTOCOLS, WAYS, Request, departing, request
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, until
from tests.http.protocol.raw_clients import listening

NUM_CLIENTS = 12
LONG = {"max_tokens": 400, "min_tokens": 400}
GONE = "the client has gone"
HEALTHY = b'{"status":"ok"}\n'
BODIES = {COMPLETIONS: {"prompt": "The river"} | LONG, CHAT: {"messages": HELLO} | LONG}


async def leave_all(port: int, asked: Request, pauses_s: list[float]) -> None:
    """One after the other within a second, so that each goes in another state of the server's loop."""
    for at, pause_s in enumerate(pauses_s):
        async with departing(port, WAYS[at % len(WAYS)]) as (_, writer):
            writer.write(asked.head)
            await asyncio.sleep(0.005)  # so that the body comes alone, which is when 3.11 lost the cancellation
            writer.write(asked.body)
            await asyncio.sleep(pause_s)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
@pytest.mark.parametrize("stream", [False, True])
async def test_one_that_goes_just_after_its_body_or_in_a_step_is_noticed(
    caplog: pytest.LogCaptureFixture, protocol: str, path: str, stream: bool
) -> None:
    caplog.set_level("INFO")
    rng = random.Random(13)
    pauses_s = [rng.uniform(0, 0.005) for _ in range(NUM_CLIENTS)] + [0.05, 0.1, 0.2]
    async with listening() as port:
        await leave_all(port, request(protocol, path, BODIES[path] | {"stream": stream}), pauses_s)
        await until(lambda: sum(GONE in each for each in caplog.messages) == len(pauses_s), timeout_s=5)

    assert [each for each in caplog.messages if "completion tokens" in each] == []


async def test_a_connection_that_ends_with_its_answer_is_no_departure(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with listening() as port:
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"\r\n\r\n" + HEALTHY)
            writer.close()

    assert [each for each in caplog.messages if GONE in each] == []
