"""How a process is started that Ctrl-C in a terminal does not reach: that is for us, who end what we have started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

if sys.platform == "win32":  # which accepts start_new_session and ignores it
    _APART: dict[str, Any] = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    _APART = {"start_new_session": True}

APART: Mapping[str, Any] = _APART
"""Arguments of Popen."""
