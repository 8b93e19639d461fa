"""How much memory there is for a model: the machine's, and no more than the container's limit leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_CGROUPS, _OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_NAMES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""A cgroup's limit, what it holds, and which part of that are files that are given up when memory is wanted."""


def available_bytes(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> int:
    """Return the bytes that a process may still take without making others give any up."""
    import psutil  # type: ignore[import-untyped,unused-ignore]  # late: 15 ms, and who loads nothing needs none of it

    return min([int(psutil.virtual_memory().available), *_left_in_cgroups(cgroups, own)])


def used_bytes() -> int:
    """Return the memory that this process has."""
    import psutil  # type: ignore[import-untyped,unused-ignore]

    return int(psutil.Process().memory_info().rss)


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
