"""What is said of a provider that is named and not there: how it is written here, and what brings it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from jan_ort_onnxruntime.providers import windows_ml
from jan_ort_onnxruntime.providers.provider_table import BUILT_IN, CPU, plugin_provider

_OTHERWISE: Mapping[str, str] = MappingProxyType(
    {"directml": "dml", "winml": windows_ml.NAME, "tensorrtrtx": "nvtensorrtrtx", "nvidia": "cuda"}
)
"""What people call providers that are called otherwise here."""

_BY_WINDOWS = f"on Windows: pip install windowsml, then {windows_ml.INSTALL}"

_BROUGHT_BY: Mapping[str, str] = MappingProxyType(
    {
        "qnn": "pip install onnxruntime-qnn",
        "nvtensorrtrtx": "pip install onnxruntime-ep-nv-tensorrt-rtx",
        "ggml": "pip install onnxruntime-ggml",
        "vitisai": _BY_WINDOWS,
        "migraphx": _BY_WINDOWS,
    }
)
"""What brings providers that come as libraries alone, by the option's value."""


def why_absent(name: str, usable: Collection[str]) -> tuple[str, str]:
    """Return why the option's value ``name`` means none of the ``usable`` ones, and what to do."""
    if name == windows_ml.NAME:
        return windows_ml.why_none(), ""
    likely = _spelled(name)
    if likely != name and likely in (*usable, *_BROUGHT_BY, *(each.name for each in BUILT_IN), windows_ml.NAME):
        return "there is no such provider", f"did you mean {likely!r}?"
    return "the installed onnxruntime has no such provider", _what_brings(name)


def _spelled(name: str) -> str:
    """Return the option's value for a name of another case, or one of ONNX Runtime's, "CUDAExecutionProvider"."""
    plain = name.strip().lower().replace("_", "").replace("-", "").removesuffix("executionprovider")
    return _OTHERWISE.get(plain, plain)


def _what_brings(name: str) -> str:
    if any(plugin_provider(each.name).name == name and not each.is_installed for each in windows_ml.find_offered()[0]):
        return windows_ml.INSTALL
    known = next((each.install for each in BUILT_IN if each.name == name and each is not CPU), None)
    return known or _BROUGHT_BY.get(name, "jan-ort doctor tells what each device of this machine needs")
