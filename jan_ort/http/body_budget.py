"""The memory that the bodies of all requests have together, and which of them gives way (hop 2)."""

from __future__ import annotations

import time
from typing import Protocol

from jan_ort.ground.available_memory import available_bytes
from jan_ort.settings.schema import Settings

SMALL_BYTES = 2**16
"""A body of this size or less may also use the eighth that is kept for small ones."""

_SHARE = 16
"""Of the memory that is available at the start; what a body says takes some times as much as its bytes."""


class BodiesTooLarge(Exception):
    """Raised when all bodies together are too large, and this one gives way."""

    retry_after_s = 2


class Counted(Protocol):
    """A body that is read or held, and may be refused until it is whole."""

    num_bytes: int
    began_at: float

    def refuse(self, error: Exception) -> None:
        """Drop what has come of it, and answer with this error."""
        ...


class BodyBudget:
    """So many bytes for all bodies, each from its first byte until its answer begins.

    When there are too many, an unfinished body gives way: the one whose bytes, times the seconds since it began, are
    the most. So neither a small body nor one that comes at a usual pace gives way to others that were left half-sent.
    """

    def __init__(self, num_allowed: int) -> None:
        self._num_allowed = num_allowed
        self._num_held = 0
        self._unfinished: set[Counted] = set()

    def begin(self, body: Counted) -> None:
        """Note a body that has yet to come."""
        self._unfinished.add(body)

    def take(self, body: Counted, num_bytes: int) -> None:
        """Count so many more bytes of an unfinished body; whoever gives way is refused, and may be this one."""
        body.num_bytes += num_bytes
        self._num_held += num_bytes
        while self._is_exceeded_by(body):
            now = time.monotonic()
            displaced = max(self._unfinished, key=lambda each: each.num_bytes * (now - each.began_at))
            displaced.refuse(self._error(displaced, now))
            if displaced is body:
                return

    def _is_exceeded_by(self, body: Counted) -> bool:
        kept = 0 if body.num_bytes > SMALL_BYTES else self._num_allowed // 8
        return self._num_held > self._num_allowed + kept

    def _error(self, displaced: Counted, now: float) -> BodiesTooLarge:
        return BodiesTooLarge(
            f"the bodies of all requests together have {self._num_held} bytes; at most {self._num_allowed} are allowed "
            f"(JAN_ORT_BODY_MEMORY_MB). This one, still incomplete after {now - displaced.began_at:.1f} s, was "
            "dropped: "
            "send it again later"
        )

    def finish(self, body: Counted) -> None:
        """Note that a body is whole; it does not give way any more."""
        self._unfinished.discard(body)

    def release(self, body: Counted) -> None:
        """Forget a body, whole or not."""
        self._unfinished.discard(body)
        self._num_held -= body.num_bytes
        body.num_bytes = 0

    def refuse_unfinished(self, error: Exception) -> None:
        """Refuse every body that is not whole."""
        for each in list(self._unfinished):
            each.refuse(error)


def allowed_bytes(settings: Settings) -> int:
    """Return how many bytes all bodies may have together."""
    if settings.body_memory_mb is not None:
        return settings.body_memory_mb * 2**20
    return max(available_bytes() // _SHARE, settings.max_body_bytes)
