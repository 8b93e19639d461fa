"""How much memory there is for a model: the machine's, and no more than the container's limit leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUPS, _OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_MACHINE, _SELF = Path("/proc/meminfo"), Path("/proc/self/status")
_NAMES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""A cgroup's limit, what it holds, and which part of that are files that are given up when memory is wanted."""


def available_bytes(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> int:
    """Return the bytes that a process may still take without making others give any up."""
    return min([_of_the_machine(), *_left_in_cgroups(cgroups, own)])


def used_bytes(with_children: bool = False) -> int:
    """Return the memory that this process has, and those that it has started, if asked for."""
    if not with_children and (linux := _kilobytes(_SELF, "VmRSS")) is not None:
        return linux
    import psutil  # type: ignore[import-untyped,unused-ignore]

    own, total = psutil.Process(), 0
    for process in (own, *(own.children(recursive=True) if with_children else ())):
        with suppress(psutil.Error):  # one that has just ended
            total += int(process.memory_info().rss)
    return total


def _of_the_machine() -> int:
    if (linux := _kilobytes(_MACHINE, "MemAvailable")) is not None:
        return linux
    import psutil  # type: ignore[import-untyped,unused-ignore]  # late: it takes 60 ms of a start

    return int(psutil.virtual_memory().available)


def _kilobytes(path: Path, name: str) -> int | None:
    """Return a number of Linux's /proc in bytes, None elsewhere."""
    found = re.search(rf"^{name}:\s*(\d+) kB$", _read(path), re.MULTILINE)
    return None if found is None else int(found[1]) * 1024


def _left_in_cgroups(cgroups: Path, own: Path) -> Iterator[int]:
    """Yield what each limit above this process leaves; a container sees its own cgroup as the root, or by its path.

    Source: the kernel's admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
    """
    for line in _read(own).splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        names = _NAMES.get(controllers)
        if names is None:
            continue
        root = cgroups / controllers
        place = root / path.strip("/")
        for each in (place, *place.parents):
            yield from _left(each, *names)
            if each == root:
                break


def _left(place: Path, limit_name: str, usage_name: str, file_key: str) -> Iterator[int]:
    limit, usage = _read(place / limit_name).strip(), _read(place / usage_name).strip()
    if not (limit.isdigit() and usage.isdigit()):
        return  # "max", or no such place
    fields = dict(line.split(" ", 1) for line in _read(place / "memory.stat").splitlines() if " " in line)
    given_up = fields.get(file_key, "0").strip()
    yield max(0, int(limit) - int(usage) + (int(given_up) if given_up.isdigit() else 0))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
