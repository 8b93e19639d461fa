"""A host's address by a set time: the system's resolver takes as long as it likes, and cannot be stopped (hop 3)."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread

from jan_ort.images.image_errors import ImageError

MAX_LOOKUPS = 16
"""Lookups at once, with those that nobody waits for any more."""

Resolve = Callable[[str, int], str]

_turns = BoundedSemaphore(MAX_LOOKUPS)


def resolve_by(ends_at: float, resolve: Resolve, host: str, port: int) -> str:
    """Return what ``resolve`` tells before ``ends_at``, in seconds of time.monotonic().

    Raises: ImageError if it tells nothing by then; as ``resolve``.
    """
    late = ImageError(f"no address of {host[:100]} was found in time")
    if not _turns.acquire(timeout=_left_s(ends_at)):
        raise late
    found: Future[str] = Future()
    Thread(target=_look_up, args=(found, resolve, host, port), name="resolve host", daemon=True).start()
    try:
        return found.result(_left_s(ends_at))
    except TimeoutError:
        raise late from None


def _look_up(found: Future[str], resolve: Resolve, host: str, port: int) -> None:
    try:
        found.set_result(resolve(host, port))
    except Exception as error:  # it belongs to who waits
        found.set_exception(error)
    finally:
        _turns.release()


def _left_s(ends_at: float) -> float:
    return max(0.0, ends_at - time.monotonic())
