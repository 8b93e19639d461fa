"""A process that has done its work ends, even if a thread or an exit handler of a plugin does not."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

logger = logging.getLogger(__name__)

GRACE_S = 5.0
"""How long Python may wait for threads and exit handlers when the program has ended."""


def end_in_time(status: int) -> None:
    """Let Python end the process by itself, and end it with ``status`` if it is still there after ``GRACE_S``."""
    threading.Thread(target=_end_late, args=(status,), name="end", daemon=True).start()


def _end_late(status: int) -> None:
    time.sleep(GRACE_S)  # a daemon does not survive the end of the interpreter: what follows happens only if it hangs
    names = ", ".join(each.name for each in threading.enumerate() if each.name not in ("MainThread", "end"))
    logger.warning("stopped waiting for the threads of a plugin: %s", names or "an exit handler")
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    os._exit(status)
