"""Hearing of a shutdown: every signal is passed on, and given back."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from jan_ort.http.shutdown import stop_when_told

SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture
def received() -> Iterator[list[int]]:
    """Handle both signals as a server would, and tell which came."""
    numbers: list[int] = []
    before = {number: signal.signal(number, lambda number, _: numbers.append(number)) for number in SIGNALS}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_stops_the_app_and_reaches_who_handled_it_before(
    received: list[int], number: signal.Signals
) -> None:
    stopped = asyncio.Event()

    async def stop() -> None:
        stopped.set()

    task = asyncio.create_task(stop_when_told(stop))
    await asyncio.sleep(0)
    signal.raise_signal(number)
    async with asyncio.timeout(5):
        await task

    assert stopped.is_set()
    assert received == [number]


async def test_cancelling_gives_the_signals_back(received: list[int]) -> None:
    async def stop() -> None:
        raise AssertionError("nobody told it to")

    before = [signal.getsignal(number) for number in SIGNALS]
    task = asyncio.create_task(stop_when_told(stop))
    await asyncio.sleep(0)
    during = [signal.getsignal(number) for number in SIGNALS]
    task.cancel()
    await asyncio.wait({task})

    assert during != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


async def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    task = asyncio.create_task(stop_when_told(asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    during = signal.getsignal(signal.SIGINT)
    task.cancel()
    await asyncio.wait({task})
    signal.signal(signal.SIGINT, before)

    assert during is signal.SIG_IGN
