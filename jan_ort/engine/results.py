"""How an event loop receives what the engine's thread produces (hop 9)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from itertools import takewhile

from jan_ort.engine.engine import Engine
from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import GenerationRequest
from jan_ort.engine.in_flight import Delivery

logger = logging.getLogger(__name__)

Sink = asyncio.Queue[SequenceOutput]

MAX_OUTPUTS = 128
"""Events that one turn of the loop takes: for a client that has not read for long, thousands may wait."""


def deliver_to(loop: asyncio.AbstractEventLoop) -> Delivery:
    """Return a delivery that hands each step's events to the loop in one call."""

    def put_all(events: Sequence[tuple[Sink, SequenceOutput]]) -> None:
        for sink, event in events:
            try:
                sink.put_nowait(event)
            except Exception:  # the others' events are not lost with this one
                logger.exception("an event of a sequence could not be delivered")

    def deliver(events: Sequence[tuple[Sink, SequenceOutput]]) -> None:
        if events and not loop.is_closed():
            loop.call_soon_threadsafe(put_all, events)

    return deliver


async def run(
    engine: Engine, request: GenerationRequest, *, ping_interval_s: float | None = None
) -> AsyncGenerator[list[SequenceOutput], None]:
    """Submit a request, yield [], and then what came since the last time, until every sequence has ended.

    A later empty list says that nothing came for ``ping_interval_s``. Leaving early, also by cancellation, aborts the
    request. Raises: what ended a sequence early.
    """
    sink: Sink = request.sink
    remaining = len(request.prompts)
    engine.submit(request)
    try:
        yield []
        while remaining:
            outputs = await _take(sink, ping_interval_s)
            error = next((output.error for output in outputs if output.error), None)
            if error is not None:  # what came before it is not lost with it
                outputs = list(takewhile(lambda output: output.error is None, outputs))
            remaining -= sum(output.is_last for output in outputs)
            if outputs or error is None:
                yield outputs
            if error is not None:
                raise error
    finally:
        if remaining:
            engine.abort(request.id)


async def _take(sink: Sink, timeout_s: float | None) -> list[SequenceOutput]:
    """Return what is queued, up to MAX_OUTPUTS, and at least one output unless the time is over."""
    if sink.empty():
        try:
            async with asyncio.timeout(timeout_s):
                outputs = [await sink.get()]
        except TimeoutError:
            return []
    else:
        await asyncio.sleep(0)  # a stream that never has to wait would starve every other request
        outputs = [sink.get_nowait()]
    while not sink.empty() and len(outputs) < MAX_OUTPUTS:
        outputs.append(sink.get_nowait())
    return outputs
