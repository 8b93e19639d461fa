"""How much an answer may have waiting for its client, and for how long (hop 9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time

WRITE_DEADLINE_S = 30.0
"""A client that takes less than a piece in this time is dropped: it reads some 2 KB a second, or nothing."""

PIECE_BYTES = 2**16
"""A larger body is passed on in pieces of so many bytes, each once there is room for it."""


class ClientWait:
    """Waiting until a client takes something; ``since`` is when the first of those that wait began, None for none."""

    def __init__(self) -> None:
        self.since: float | None = None
        self._num_waiting = 0

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """Wait for room, in the block. Raises: TimeoutError, at the deadline."""
        self.since = time() if self.since is None else self.since
        self._num_waiting += 1
        try:
            async with asyncio.timeout(WRITE_DEADLINE_S):
                yield
        finally:
            self._num_waiting -= 1
            if not self._num_waiting:
                self.since = None
