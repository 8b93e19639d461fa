"""What still comes of a body after its answer, which is read so that the connection can be used again (hop 1)."""

from __future__ import annotations

import asyncio

import h11

_MOST_BYTES = 2**24

_PAUSE_S = 2.0
"""How long a client may send nothing of what is left."""

_NUM_PAUSES = 15


class LateBody:
    """The rest of a request that was answered before it was whole, as for an unknown path.

    A connection that is closed at once is reset, and its client, still sending, may never read why it was refused.
    Source: RFC 9112, section 9.6.
    """

    def __init__(self, connection: h11.Connection) -> None:
        self._connection = connection
        self._num_bytes = 0

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come."""
        return self._connection.their_state is h11.DONE

    def drop(self) -> bool:
        """Drop what has come. Return whether more of it is worth waiting for, or it is whole."""
        try:
            while isinstance(event := self._connection.next_event(), h11.Data):
                self._num_bytes += len(event.data)
        except h11.RemoteProtocolError:
            return False
        return self._num_bytes < _MOST_BYTES

    async def stall(self) -> None:
        """Return once nothing more has come for a while, or all this has taken too long."""
        for _ in range(_NUM_PAUSES):
            num_bytes = self._num_bytes
            await asyncio.sleep(_PAUSE_S)
            if num_bytes == self._num_bytes:
                return
