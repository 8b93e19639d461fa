"""Which distribution of ONNX Runtime is installed: all flavours share one import name and overwrite one another."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jan_ort_backends import Available, Missing

FLAVOURS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-windowsml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-rocm",
    "onnxruntime-training",
)
"""The distributions that install the import name ``onnxruntime``."""

MINIMUM_VERSION = (1, 24)
"""onnxruntime-directml ended at 1.24, so nothing newer may be required."""


def installed_flavours() -> dict[str, str]:
    """Return name and version of every flavour that is installed, without importing any."""
    found: dict[str, str] = {}
    for name in sorted(FLAVOURS):  # one by one: reading the metadata of every distribution takes 35 ms per hundred
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def installed_names(prefix: str) -> list[str]:
    """Return the normalised names of the distributions whose folders begin with ``prefix``."""
    pattern = f"{prefix.replace('-', '_')}*.dist-info"
    folders = (path for entry in sys.path for path in Path(entry or ".").glob(pattern))
    return sorted({re.sub(r"[-_.]+", "-", path.stem.partition("-")[0]).lower() for path in folders})


def probe_flavours(flavours: Mapping[str, str]) -> Available | Missing:
    """Judge what is installed: exactly one flavour, of a version that this backend knows."""
    if len(flavours) > 1:
        names = " ".join(flavours)
        return Missing(
            f"{len(flavours)} flavours of onnxruntime are installed over one another: {names.replace(' ', ', ')}",
            f"pip uninstall -y {names}, then install the one that you want",
        )
    if not flavours:
        if importlib.util.find_spec("onnxruntime") is not None:
            return Available("onnxruntime of unknown version, without metadata")
        return Missing("onnxruntime is not installed", "pip install onnxruntime")
    ((name, release),) = flavours.items()
    if importlib.util.find_spec("onnxruntime") is None:
        return Missing(f"{name} {release} is installed without its files", f"pip install --force-reinstall {name}")
    if _release(release) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        return Missing(f"{name} {release} is older than {wanted}", f"pip install --upgrade '{name}>={wanted}'")
    return Available(f"{name} {release}")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
