"""How the words of a command are joined to one line on this platform."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence


def quoted(words: Sequence[str]) -> str:
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
