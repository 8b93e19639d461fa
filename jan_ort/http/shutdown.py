"""Hear of a shutdown in time: hypercorn's own command tells an app only after it has cut the running streams."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType

UNKNOWN_GRACE_S = 2.0
"""How long requests may finish if nobody says: hypercorn's command cuts them after 3 s, unless --graceful-timeout says
otherwise, and an app cannot see that; within 2 s those that are cut still get their error event."""

_POLL_S = 0.1
_FLUSH_S = 0.5
"""What the streams' last events get to reach their clients, where the signal would have killed the process at once."""


async def stop_when_told(stop: Callable[[], Awaitable[None]]) -> None:
    """Wait for SIGTERM, SIGINT or the word of hypercorn's supervisor, and then ``stop``.

    Whoever handled a signal before still does, so this hastens the app's end and never the process's. Cancelling
    gives the signals back.
    """
    # hypercorn hands the event to its workers as an argument of their main function, and to nobody else.
    supervisor = getattr(multiprocessing.current_process(), "_kwargs", {}).get("shutdown_event")
    with _noticing(signal.SIGTERM) as terminated, _noticing(signal.SIGINT) as interrupted:
        while not (terminated or interrupted or (supervisor is not None and supervisor.is_set())):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        await stop()
        if signal.SIG_DFL in terminated:
            await asyncio.sleep(_FLUSH_S)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)


@contextmanager
def _noticing(number: signal.Signals) -> Iterator[list[object]]:
    """Yield a list that gets the previous handler each time the signal comes; only the main thread can notice."""
    noticed: list[object] = []
    previous = signal.getsignal(number)
    if threading.current_thread() is not threading.main_thread() or previous in (None, signal.SIG_IGN):
        yield noticed
        return

    def handle(received: int, frame: FrameType | None) -> None:
        noticed.append(previous)
        if callable(previous):
            previous(received, frame)

    # asyncio's own handlers go on: they read the file descriptor that the interpreter writes every signal to.
    signal.signal(number, handle)
    try:
        yield noticed
    finally:
        if signal.getsignal(number) is handle:
            signal.signal(number, previous)
