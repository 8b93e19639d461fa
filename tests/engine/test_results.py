"""The events of one step reach every request that they are for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.results import deliver_to, run


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


async def test_what_came_before_an_error_is_not_lost_with_it() -> None:
    events = [SequenceOutput(0, "text"), SequenceOutput(0, "", error=ValueError("enough")), SequenceOutput(1, "late")]
    sink: asyncio.Queue[SequenceOutput] = asyncio.Queue()
    request: Any = SimpleNamespace(id=1, sink=sink, prompts=[0, 1])
    aborted: list[int] = []
    engine: Any = SimpleNamespace(submit=lambda _: [sink.put_nowait(each) for each in events], abort=aborted.append)
    received: list[str] = []

    async def receive() -> None:
        async for outputs in run(engine, request):
            received.extend(output.text for output in outputs)

    with pytest.raises(ValueError, match="enough"):
        await receive()

    assert (received, aborted) == (["text"], [1])
