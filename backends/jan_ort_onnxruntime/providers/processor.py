"""Which processor this is, as far as kernels depend on it."""

from __future__ import annotations

import hashlib
import platform
from contextlib import suppress
from pathlib import Path


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the kind of processor: another one has other kernels, whose results differ in the last bits."""
    with suppress(OSError):
        lines = cpuinfo.read_text(errors="replace").splitlines()
        told = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
        flags = told.get("flags") or told.get("Features") or ""
        return f"{platform.machine()} {told.get('model name', '')} {hashlib.sha256(flags.encode()).hexdigest()}"
    return f"{platform.machine()} {platform.processor()}"
