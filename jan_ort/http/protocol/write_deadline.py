"""How much an answer may have waiting for its client, and for how long (hop 9)."""

from __future__ import annotations

import asyncio

WRITE_DEADLINE_S = 30.0
"""A client that takes less than a piece in this time is dropped: it reads some 2 KB a second, or nothing."""

PIECE_BYTES = 2**16
"""A larger body is passed on in pieces of so many bytes, each once there is room for it."""


def write_deadline() -> asyncio.Timeout:
    """Return what bounds the wait for room. Raises: TimeoutError, at its end."""
    return asyncio.timeout(WRITE_DEADLINE_S)
