"""How long a turn of the event loop is, in CPU time of its thread: other processes count for nothing."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from types import TracebackType
from typing import Any


class _Collections(threading.local):
    """The CPU time that collections of garbage have taken in this thread."""

    spent_s = 0.0
    started_s = 0.0


class Turns:
    """Watches every callback of every event loop while it is entered; ``longest_s`` is the longest so far.

    Without the collections of garbage that fall into it: what the tests before have left is the most of that.
    """

    def __init__(self) -> None:
        self._collections = _Collections()
        self.longest_s = 0.0
        self.longest = ""

    def __enter__(self) -> Turns:
        self._run = run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> Any:
            started, collected = time.thread_time(), self._collections.spent_s
            try:
                return run(handle)
            finally:
                spent = time.thread_time() - started - (self._collections.spent_s - collected)
                if spent > self.longest_s:
                    self.longest_s, self.longest = spent, repr(handle)

        asyncio.Handle._run = timed
        gc.callbacks.append(self._collect)
        return self

    def _collect(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collections.started_s = time.thread_time()
        else:
            self._collections.spent_s += time.thread_time() - self._collections.started_s

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.Handle._run = self._run
        gc.callbacks.remove(self._collect)
