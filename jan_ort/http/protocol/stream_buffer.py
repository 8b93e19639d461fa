"""The unsent bytes of one HTTP/2 stream, which are bounded."""

from __future__ import annotations

from typing import Any

from hypercorn.protocol.h2 import BUFFER_HIGH_WATER, BUFFER_LOW_WATER, BufferCompleteError, StreamBuffer

from jan_ort.http.protocol.write_deadline import ClientWait


class BoundedStreamBuffer(StreamBuffer):
    """A buffer that is full until it has been emptied, and not until somebody looked at it.

    hypercorn 0.18 lets the app go on whenever it tries to send, be it nothing, for the client's window is closed: the
    buffer of a client that does not read grows without a bound.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.wait = ClientWait()

    async def push(self, data: bytes) -> None:
        """Add bytes, and wait while there are too many. Raises: BufferCompleteError, TimeoutError."""
        if self._complete:
            raise BufferCompleteError
        self.buffer.extend(data)
        await self._is_empty.clear()
        if len(self.buffer) >= BUFFER_HIGH_WATER:
            await self._paused.clear()
            async with self.wait.bounded():
                await self._paused.wait()

    async def pop(self, max_length: int) -> bytes:
        """Take at most so many bytes out."""
        popped = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return popped

    async def drain(self) -> None:
        """Wait until all is sent. Raises: TimeoutError."""
        async with self.wait.bounded():
            await super().drain()
