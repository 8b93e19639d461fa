"""How long a turn of the event loop is, in CPU time of its thread: other processes count for nothing."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any


class Turns:
    """Watches every callback of every event loop while it is entered; ``longest_s`` is the longest so far."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.longest = ""

    def __enter__(self) -> Turns:
        self._run = run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> Any:
            started = time.thread_time()
            try:
                return run(handle)
            finally:
                spent = time.thread_time() - started
                if spent > self.longest_s:
                    self.longest_s, self.longest = spent, repr(handle)

        asyncio.Handle._run = timed
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.Handle._run = self._run
