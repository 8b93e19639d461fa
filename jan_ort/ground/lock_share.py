"""Native work that holds the interpreter's lock, which others want, too."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class LockShare:
    """Has steps of such work done one at a time, and each leave the lock alone for as long as it took.

    A thread that waits for the lock gets it after the native call that holds it. The event loop gives it up at each
    read and write, so that it would wait for a whole call at every one. Thread-safe.
    """

    def __init__(self) -> None:
        self._is_taken = threading.Lock()
        self._free_at = 0.0

    @contextmanager
    def step(self) -> Iterator[None]:
        """Do a step in the block, after those before it and their pauses."""
        with self._is_taken:
            time.sleep(max(0.0, self._free_at - time.monotonic()))
            started = time.thread_time()
            try:
                yield
            finally:
                self._free_at = time.monotonic() + time.thread_time() - started
