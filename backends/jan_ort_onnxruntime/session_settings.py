"""The backend's own options, by name, and the number of threads that suits the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jan_ort_backends import ModelError
from jan_ort_backends.pooling_families import MODES

AUTO = "auto"
"""The value of the option ``provider`` that takes the first provider that is proven to work."""

CPU_NAME = "cpu"
"""Its value for the CPU, which every onnxruntime has."""

OPTION_NAMES = (
    "intra_op_num_threads",
    "memory_limit_mb",
    "pooling",
    "provider",
    "share_weights",
    "spin_duration_us",
    "strict",
)

DEFAULT_SPIN_DURATION_US = 30

_CPUS = Path("/sys/devices/system/cpu")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How ONNX Runtime is to run.

    ``intra_op_num_threads``: threads of one operator, 0 leaves it to ONNX Runtime. ``spin_duration_us``: how long an
    idle thread waits for the next operator before it sleeps, 0 for not at all. Operators follow one another within
    microseconds, so 30 is enough for all of spinning's gain (a decode step 1.2 times as fast on two idle cores) and
    costs nothing where others want the cores. ``provider``: a name of the table in ``provider_table.py``, a plugin's
    name, or "auto" for the first that is proven to work. ``strict``: fail rather than fall back.
    ``memory_limit_mb``: the most MiB that a provider's arena takes on its device, 0 for all; of those in the table,
    CUDA has such a limit. ``pooling``: how the vectors of a text's tokens become one where the folder does not say it.
    ``share_weights``: on the CPU, use a copy of the weights that processes of one machine share, made beside the graph.
    """

    intra_op_num_threads: int
    spin_duration_us: int = DEFAULT_SPIN_DURATION_US
    provider: str = AUTO
    strict: bool = False
    memory_limit_mb: int = 0
    pooling: str | None = None
    share_weights: bool = False

    @classmethod
    def parse(cls, extra: Mapping[str, str]) -> SessionSettings:
        """Read the options, whose names are checked already. Raises: ModelError naming the option and its value."""
        threads = _number(extra, "intra_op_num_threads", 1024)
        spinning = _number(extra, "spin_duration_us", 1_000_000)
        return cls(
            intra_op_num_threads=default_num_threads() if threads is None else threads,
            spin_duration_us=DEFAULT_SPIN_DURATION_US if spinning is None else spinning,
            provider=extra.get("provider", AUTO),
            strict=_flag(extra, "strict"),
            memory_limit_mb=_number(extra, "memory_limit_mb", 2**30) or 0,
            pooling=_pooling(extra),
            share_weights=_flag(extra, "share_weights"),
        )


def _pooling(extra: Mapping[str, str]) -> str | None:
    text = extra.get("pooling")
    if text is not None and text not in MODES:
        raise ModelError(f"option pooling is {text!r}; give {', '.join(MODES[:-1])} or {MODES[-1]}")
    return text


def _number(extra: Mapping[str, str], name: str, largest: int) -> int | None:
    text = extra.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= largest):
        raise ModelError(f"option {name} is {text!r}; give a whole number, 0..{largest}")
    return int(text)


def _flag(extra: Mapping[str, str], name: str) -> bool:
    text = extra.get(name, "0").lower()
    if text not in ("0", "1", "false", "true"):
        raise ModelError(f"option {name} is {text!r}; give 1 or 0")
    return text in ("1", "true")


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
