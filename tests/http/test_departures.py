"""A client that goes is noticed, whenever and however it goes: nothing is computed for nobody."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.endurance.departing import PROTOCOLS, request
from tests.endurance.disconnects import PHASES, go
from tests.http.handlers.serving import until
from tests.http.protocol.raw_clients import listening

NUM_CLIENTS = 5
LEFT_OUT = ("queued", "loading", "writing")
"""These need other clients, too, or take long: tests/endurance."""
GONE = "the client disconnected"
HEALTHY = b'{"status":"ok"}\n'


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", [name for name in PHASES if name not in LEFT_OUT])
async def test_one_that_goes_is_noticed_in_every_phase(
    caplog: pytest.LogCaptureFixture, name: str, protocol: str
) -> None:
    caplog.set_level("INFO")
    phase, rng = PHASES[name], random.Random(13)
    async with listening(num_slots=4) as port:
        before = len(asyncio.all_tasks())
        bodies = [
            phase.body(rng) | ({"stream": True} if phase.can_stream and at % 2 else {}) for at in range(NUM_CLIENTS)
        ]
        await asyncio.gather(*(go(port, request(protocol, phase.path, body), phase, rng) for body in bodies))
        await until(lambda: len(asyncio.all_tasks()) <= before, timeout_s=10)

    seen = sum(GONE in each for each in caplog.messages)
    assert [each for each in caplog.messages if " prompt tokens" in each] == []
    # Texts and templates may be answered before their clients go.
    assert seen == {"head": 0, "tokenizing": seen, "rendering": seen}.get(name, NUM_CLIENTS)


async def test_a_connection_that_ends_with_its_answer_is_no_departure(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with listening() as port:
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"\r\n\r\n" + HEALTHY)
            writer.close()

    assert [each for each in caplog.messages if GONE in each] == []
