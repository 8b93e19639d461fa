"""Which execution providers this machine has: the one place that asks ONNX Runtime for providers and devices."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from jan_ort_onnxruntime.providers import windows_ml
from jan_ort_onnxruntime.providers.absent_provider import why_absent
from jan_ort_onnxruntime.providers.plugin_libraries import register_plugin_libraries
from jan_ort_onnxruntime.providers.provider_table import BUILT_IN, CPU, Provider, plugin_provider
from jan_ort_onnxruntime.session_settings import AUTO

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that a session may be opened on; ``devices`` are its OrtEpDevices if it came as a library."""

    provider: Provider
    devices: tuple[Any, ...] = ()

    @property
    def device_key(self) -> str:
        """What identifies the device among all sessions of the process."""
        numbers = ",".join(str(device.device.device_id) for device in self.devices)
        return f"{self.provider.ep_name}/{numbers or 0}"

    @property
    def device_kind(self) -> str:
        """What it computes on, "CPU", "GPU" or "NPU", "" where that is not told."""
        return "/".join(sorted({device.device.type.name for device in self.devices}))

    @property
    def is_processor(self) -> bool:
        """Whether it offers the CPU itself: its kernels are unproven beside those that the graphs are written for."""
        return self.device_kind == "CPU" if self.devices else self.provider.on_processor


@dataclass(frozen=True, slots=True)
class Machine:
    """What is there: ``candidates`` in the order in which they are tried, and why other providers are not among them.

    ``registered`` are the names of all providers that ONNX Runtime knows; a registered one may have no device.
    ``by_windows`` are the names of those that came from Windows ML's catalogue.
    """

    candidates: tuple[Candidate, ...]
    registered: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)
    by_windows: frozenset[str] = frozenset()

    def why_missing(self, name: str) -> list[str]:
        """Return what keeps the installed libraries of the provider ``name`` from being used, in either spelling."""
        spelled = {library.lower().replace("-", ""): f"{library}: {reason}" for library, reason in self.missing.items()}
        return [told for library, told in spelled.items() if name and name.replace("-", "") in library]


def look_around(runtime: Any, name: str = AUTO) -> Machine:
    """Ask ``runtime``, the module onnxruntime, for its providers and devices, plugin libraries registered first.

    With ``name``, the option ``provider``, "cpu" no library is loaded: it may hang, or end the process.
    """
    registrations = {} if name == CPU.name else register_plugin_libraries(runtime)
    brought = {name for registration in registrations.values() for name in registration.ep_names}
    plugins = _plugin_candidates(runtime, brought)
    available = tuple(runtime.get_available_providers())  # since 1.25.1 with those of registered libraries
    built_in = [Candidate(each) for each in BUILT_IN if each.ep_name in available and each.ep_name not in brought]
    registered = dict.fromkeys((*available, *(candidate.provider.ep_name for candidate in plugins)))
    missing = {name: each.error for name, each in registrations.items() if each.error is not None}
    by_windows = frozenset(name for each in registrations.values() if each.by_windows for name in each.ep_names)
    return Machine((*plugins, *built_in), tuple(registered), missing, by_windows)


def choose(machine: Machine, name: str) -> tuple[Candidate, ...]:
    """Return the candidates for the option ``provider``, those to try first in front. Raises: LookupError, why."""
    if name == AUTO:
        return tuple(each for each in machine.candidates if not each.is_processor)
    found = tuple(each for each in machine.candidates if each.provider.name == name)
    if name == windows_ml.NAME:
        found = tuple(each for each in machine.candidates if each.provider.ep_name in machine.by_windows)
    if found:
        return found
    usable = tuple(dict.fromkeys(each.provider.name for each in machine.candidates))
    reason, remedy = "; ".join(machine.why_missing(name)), ""
    if not reason:
        reason, remedy = why_absent(name, usable)
    raise LookupError("; ".join(filter(None, (reason, f"there are: {', '.join((AUTO, *usable))}", remedy))))


def _plugin_candidates(runtime: Any, brought: Collection[str]) -> list[Candidate]:
    """Return a candidate for each device that a library brought, GPUs and NPUs first."""
    found = [device for device in runtime.get_ep_devices() if device.ep_name in brought] if brought else []
    found.sort(key=lambda device: (device.device.type.name == "CPU", device.ep_name))
    return [Candidate(plugin_provider(device.ep_name), (device,)) for device in found]


def preload_libraries(runtime: Any, provider: Provider) -> None:
    """Load CUDA's and cuDNN's libraries from their Python packages, where the provider needs them and can find them."""
    if provider.preloads_libraries and hasattr(runtime, "preload_dlls"):
        printed = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
            warnings.simplefilter("ignore")  # what is missing is said by the session that then cannot be opened
            runtime.preload_dlls()
        for line in printed.getvalue().splitlines():
            logger.warning("%s: %s", provider.name, line)
