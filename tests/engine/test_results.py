"""The events of one step reach every request that they are for."""

from __future__ import annotations

import asyncio

import pytest

from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.results import deliver_to


class FullSink(asyncio.Queue[SequenceOutput]):
    """Takes no event."""

    def put_nowait(self, item: SequenceOutput) -> None:
        raise RuntimeError("no room")


async def test_a_sink_that_fails_loses_no_event_of_the_others(caplog: pytest.LogCaptureFixture) -> None:
    before: asyncio.Queue[SequenceOutput] = asyncio.Queue()
    after: asyncio.Queue[SequenceOutput] = asyncio.Queue()
    event = SequenceOutput(0, "text")

    deliver_to(asyncio.get_running_loop())([(before, event), (FullSink(), event), (after, event)])

    async with asyncio.timeout(20):
        assert [await before.get(), await after.get()] == [event, event]
    assert "could not be delivered" in caplog.text
    assert "no room" in caplog.text
