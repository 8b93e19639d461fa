"""A process without standard streams, as a service may be, gets some that lead nowhere; this comes first."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def open_missing_streams() -> None:
    """Open each that Python found closed, so that no code has to ask, and no file gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 (it stays open as long as the process)
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
