"""The backend's own options, by name, and the number of threads that suits the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jan_ort_backends import ModelError

OPTION_NAMES = ("allow_spinning", "intra_op_num_threads", "provider")

_BOOLEANS = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}
_CPUS = Path("/sys/devices/system/cpu")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How ONNX Runtime is to run.

    ``intra_op_num_threads``: threads of one operator, 0 leaves it to ONNX Runtime. ``allow_spinning``: idle threads
    spin instead of sleeping, which pays only where nothing else wants the cores. ``provider``: a name of the table in
    ``providers.py``.
    """

    intra_op_num_threads: int
    allow_spinning: bool = False
    provider: str = "cpu"

    @classmethod
    def parse(cls, extra: Mapping[str, str]) -> SessionSettings:
        """Read the options, whose names are checked already. Raises: ModelError naming the option and its value."""
        threads = extra.get("intra_op_num_threads")
        if threads is not None and not (threads.isascii() and threads.isdigit() and int(threads) <= 1024):
            raise ModelError(f"option intra_op_num_threads is {threads!r}; give a number of threads, 0..1024")
        spinning = extra.get("allow_spinning", "false")
        if spinning.lower() not in _BOOLEANS:
            raise ModelError(f"option allow_spinning is {spinning!r}; give true or false")
        return cls(
            intra_op_num_threads=default_num_threads() if threads is None else int(threads),
            allow_spinning=_BOOLEANS[spinning.lower()],
            provider=extra.get("provider", "cpu"),
        )


def default_num_threads() -> int:
    """Return the physical cores that this process may use, within its cgroup's quota; 0 where they are not known."""
    if not hasattr(os, "sched_getaffinity"):
        return 0
    allowed = os.sched_getaffinity(0)
    siblings = {_read(_CPUS / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in allowed}
    return min(len(siblings), _cgroup_cores(_read(_CGROUP_LIMIT)) or len(siblings))


def _cgroup_cores(limit: str) -> int | None:
    """Return the cores of a ``cpu.max`` line ("quota period", both in µs), at least 1; None if there is no limit."""
    quota, _, period = limit.partition(" ")
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return max(1, int(quota) // int(period))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
