"""Let go of files before they are renamed or removed: Windows does neither with one that is open or mapped."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Callable

PATIENCE_S = 10.0
"""How long others may hold a file that is new: Windows' scanners of viruses and its search open each for a moment."""

_PAUSE_S = 0.1


def let_go() -> None:
    """Close the files that nothing uses any more, but that a circle or the exception on its way still holds.

    The frames that an exception, its causes and contexts have left lose their local variables.
    """
    left, seen = [sys.exception()], set()
    while left:
        if (error := left.pop()) is not None and id(error) not in seen:
            seen.add(id(error))
            traceback.clear_frames(error.__traceback__)
            left += error.__cause__, error.__context__
    gc.collect()


def patiently(change: Callable[[], object]) -> None:
    """Rename or remove files by ``change``, on Windows again and again while somebody holds one. Raises: OSError."""
    until = time.monotonic() + (PATIENCE_S if sys.platform == "win32" else 0.0)
    while True:
        try:
            change()
        except PermissionError:
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
