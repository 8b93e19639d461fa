"""The command ends with its own status, even if a thread or an exit handler of a backend in its process does not.

The server's command has a file like it: the kit judges any server, and may not import this project's.
"""

from __future__ import annotations

import os
import sys
import threading
import time

GRACE_S = 2.0
"""How long Python may wait for threads and exit handlers when the command has ended."""


def end_in_time(code: object) -> None:
    """Let Python end the process, and end it as ``SystemExit(code)`` would if it is still there after ``GRACE_S``."""
    status = code if isinstance(code, int) else int(code is not None)
    threading.Thread(target=_end_late, args=(status,), name="end", daemon=True).start()


def _end_late(status: int) -> None:
    time.sleep(GRACE_S)  # a daemon does not survive the end of the interpreter: what follows happens only if it hangs
    names = ", ".join(each.name for each in threading.enumerate() if each.name not in ("MainThread", "end"))
    told = f"stopped waiting for the threads of a backend: {names or 'an exit handler'}\n"
    for stream, words in ((sys.stdout, ""), (sys.stderr, told)):
        if stream is not None and not stream.closed:
            stream.write(words)
            stream.flush()
    os._exit(status)
