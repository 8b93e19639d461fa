"""Let go of files before they are renamed or removed: Windows does neither with one that is open or mapped."""

from __future__ import annotations

import gc
import sys
import traceback


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
