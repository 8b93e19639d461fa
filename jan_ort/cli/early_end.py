"""A server that is told to stop before it serves ends in order; this imports next to nothing, to come first."""

from __future__ import annotations

import os
import signal
from contextlib import suppress


def end_when_told() -> None:
    """End with a line and status 0 on SIGTERM or Ctrl-C, until somebody else listens for them."""
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGBREAK", signal.SIGTERM)):  # Windows has that
        signal.signal(number, _end_unserved)


def _end_unserved(number: int, _: object) -> None:
    name = signal.Signals(number).name
    with suppress(OSError):  # no logging: it is not set up yet, or may hold its lock right now
        os.write(2, f"jan-ort was stopped ({name}) before it was ready\n".encode())
    os._exit(0)  # not by an exception, which whatever guards plugins would take for theirs
