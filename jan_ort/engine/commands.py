"""What other threads have the engine's do, in the order in which they say it (hop 4)."""

from __future__ import annotations

import queue
from collections.abc import Callable

Command = Callable[[], None]


class Commands:
    """``put`` may be called from any thread, ``carry_out`` from the engine's."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Command] = queue.SimpleQueue()

    def put(self, command: Command) -> None:
        """Have the engine's thread call ``command`` before its next step."""
        self._queue.put(command)

    def carry_out(self, *, wait: bool, timeout_s: float | None = None) -> None:
        """Call every command that is there; with ``wait`` one is waited for first, ``timeout_s`` at most."""
        try:
            command = self._queue.get(block=wait, timeout=timeout_s)
            while True:
                command()
                command = self._queue.get_nowait()
        except queue.Empty:
            return
