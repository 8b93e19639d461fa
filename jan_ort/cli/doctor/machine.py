"""Which versions are installed, and on what machine."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distributions, requires, version

import psutil  # type: ignore[import-untyped,unused-ignore]

from jan_ort._version import __version__
from jan_ort.cli.doctor.report import Platform
from jan_ort_backends import ABI

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def read_versions() -> dict[str, str]:
    """Return name and version of this program, of what it requires, and of every ONNX Runtime distribution."""
    found = dict(filter(None, map(_name_and_version, distributions())))
    wanted = dict.fromkeys([*_required(), *(name for name in sorted(found) if name.startswith("onnxruntime"))])
    return {
        "jan-ort": __version__,
        "backend interface": ABI,
        **{name: found.get(name, "not installed") for name in wanted},
    }


def read_platform() -> Platform:
    """Return what this process runs on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return Platform(
        system=platform.platform(),
        machine=platform.machine(),
        python=platform.python_version(),
        executable=sys.executable,
        cpus=len(affinity(0)) if affinity is not None else os.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
    )


def _name_and_version(distribution: Distribution) -> tuple[str, str] | None:
    """Return both, None for one that is installed halfway and does not tell its name."""
    try:
        told = distribution.metadata  # told[key] warns of one that is not there, and is to be a KeyError
        name, release = (told.get_all(key, [""])[0] for key in ("Name", "Version"))
    except (ValueError, TypeError, OSError):  # its metadata is no text, or is gone: the list is of what is installed
        return None
    return (_normal(name), release or "unknown") if name else None


def _required() -> Iterable[str]:
    """Return the distributions that this one requires here: those for another platform are left out."""
    try:
        version("jan-ort")
        lines = requires("jan-ort") or []
    except PackageNotFoundError:  # started from a checkout that is not installed
        return []
    apply = [line for line in lines if "extra ==" not in line and _is_for_this_system(line)]
    return [_normal(match.group()) for line in apply if (match := _NAME.match(line))]


def _is_for_this_system(requirement: str) -> bool:
    """Read the one kind of marker that this project has: ``sys_platform == "win32"`` or ``!=``."""
    marker = requirement.partition(";")[2]
    if "sys_platform" not in marker:
        return True
    return ("!=" in marker) is (sys.platform != "win32")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
