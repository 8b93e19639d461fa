"""Which distribution of ONNX Runtime is installed: all flavours share one import name and overwrite one another."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from importlib.metadata import distributions

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
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", distribution.name or "").lower()
        if name in FLAVOURS:
            found.setdefault(name, distribution.version)
    return dict(sorted(found.items()))


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
    ((name, version),) = flavours.items()
    if importlib.util.find_spec("onnxruntime") is None:
        return Missing(f"{name} {version} is installed without its files", f"pip install --force-reinstall {name}")
    if _release(version) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        return Missing(f"{name} {version} is older than {wanted}", f"pip install --upgrade '{name}>={wanted}'")
    return Available(f"{name} {version}")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
