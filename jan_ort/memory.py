"""Give the memory of an unloaded model back to the system."""

from __future__ import annotations

import ctypes
import gc
import sys


def return_memory() -> None:
    """Collect garbage, and let the C library give its free pages back: glibc keeps them for itself otherwise.

    Takes some tens of milliseconds; other C libraries have no such call, and need none as often.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
