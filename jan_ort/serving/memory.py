"""Give memory that is not used any more back to the system: a model's that is unloaded, or a long text's."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import traceback
from functools import cache

_is_left_out = threading.Event()
"""Whether we have left something out of collections of garbage."""


@cache
def leave_out_of_collections() -> None:
    """Leave what was imported out of collections of garbage: each took 40 ms, mostly of the event loop.

    Once a process: to count what is left out takes 10 ms where that is much.
    """
    if not gc.get_freeze_count():
        gc.freeze()
        _is_left_out.set()


def return_memory() -> None:
    """Collect garbage and give free pages back. Takes some tens of milliseconds."""
    if _is_left_out.is_set():
        gc.unfreeze()  # a model may have been there when that was done
    gc.collect()
    if _is_left_out.is_set():
        gc.freeze()
    trim_memory()


def trim_memory() -> None:
    """Let the C library give its free pages back: glibc keeps them for itself otherwise.

    Other C libraries have no such call, and need none as often.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


def forget_frames(error: BaseException) -> None:
    """Drop what the tracebacks of an error and of its causes hold: the locals of each function that it went through."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        pending += [each.__cause__, each.__context__]
        traceback.clear_frames(each.__traceback__)
        each.__traceback__ = None
