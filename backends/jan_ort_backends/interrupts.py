"""Whether a KeyboardInterrupt is the user's Ctrl-C or a plugin's own."""

from __future__ import annotations

import threading


def is_ctrl_c(error: BaseException) -> bool:
    """Return whether an error that was caught in this thread may be the user's Ctrl-C.

    Python hands signals to the main thread only; in any other thread it is what the code there has raised.
    """
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()
