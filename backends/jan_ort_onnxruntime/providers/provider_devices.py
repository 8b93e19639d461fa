"""Which execution providers this machine has: the one place that asks ONNX Runtime for providers and devices."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import threading
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jan_ort_onnxruntime.providers.flavours import installed_names
from jan_ort_onnxruntime.providers.provider_table import BUILT_IN, CPU, PLUGIN_PREFIX, Provider, plugin_provider
from jan_ort_onnxruntime.session_settings import AUTO

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_registrations: dict[str, _Registration] = {}  # by distribution


class _Registration(NamedTuple):
    """What became of a plugin distribution's library: why it cannot be used, or the providers that it brings."""

    error: str | None
    ep_names: tuple[str, ...] = ()


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
    def is_processor(self) -> bool:
        """Whether a plugin offers the CPU itself: its kernels are unproven beside those the graphs are written for."""
        return bool(self.devices) and all(device.device.type.name == "CPU" for device in self.devices)


@dataclass(frozen=True, slots=True)
class Machine:
    """What is there: ``candidates`` in the order in which they are tried, and why other providers are not among them.

    ``registered`` are the names of all providers that ONNX Runtime knows; a registered one may have no device.
    """

    candidates: tuple[Candidate, ...]
    registered: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)


def look_around(runtime: Any) -> Machine:
    """Ask ``runtime``, the module onnxruntime, for its providers and devices, plugin libraries registered first."""
    registrations = register_plugin_libraries(runtime)
    available = tuple(runtime.get_available_providers())
    plugins = _plugin_candidates(runtime, available)
    missing: dict[str, str] = {}
    for distribution, (error, ep_names) in registrations.items():
        if error is not None:
            missing[distribution] = error
        elif not any(candidate.provider.ep_name in ep_names for candidate in plugins):
            missing[distribution] = f"its library is registered and offers no device here ({', '.join(ep_names)})"
    taken = {candidate.provider.ep_name for candidate in plugins}
    built_in = [Candidate(each) for each in BUILT_IN if each.ep_name in available and each.ep_name not in taken]
    registered = dict.fromkeys((*available, *(candidate.provider.ep_name for candidate in plugins)))
    return Machine((*plugins, *built_in), tuple(registered), missing)


def choose(machine: Machine, name: str) -> tuple[Candidate, ...]:
    """Return the candidates for the option ``provider``, those to try first in front. Raises: LookupError, why."""
    if name == AUTO:
        return tuple(each for each in machine.candidates if not each.is_processor)
    found = tuple(each for each in machine.candidates if each.provider.name == name)
    if found:
        return found
    known = next((each for each in BUILT_IN if each.name == name), None)
    usable = ", ".join(dict.fromkeys(each.provider.name for each in machine.candidates))
    reasons = [f"{distribution}: {reason}" for distribution, reason in machine.missing.items() if name in distribution]
    reason = "; ".join(reasons) or "the installed onnxruntime has no such provider"
    remedy = f"; {known.install}" if known is not None and known is not CPU else ""
    raise LookupError(f"{reason}; there are: {AUTO}, {usable}{remedy}")


def register_plugin_libraries(runtime: Any) -> dict[str, _Registration]:
    """Register the library of each plugin distribution, once a process, and return what became of each.

    An ``onnxruntime`` older than 1.23 cannot, and says so for each.
    """
    with _lock:
        for distribution in installed_names(PLUGIN_PREFIX):
            if distribution not in _registrations:
                _registrations[distribution] = _register(runtime, distribution)
        return dict(_registrations)


def _register(runtime: Any, distribution: str) -> _Registration:
    if not hasattr(runtime, "register_execution_provider_library"):
        remedy = "pip install --upgrade onnxruntime"
        return _Registration(f"onnxruntime {runtime.__version__} cannot load provider libraries; {remedy}")
    try:
        module = importlib.import_module(distribution.replace("-", "_"))
        many = getattr(module, "get_ep_names", None)
        ep_names = tuple(map(str, many() if many is not None else [module.get_ep_name()]))
        runtime.register_execution_provider_library(distribution, module.get_library_path())
    except Exception as error:  # one broken plugin must not keep the others, or the CPU, from being used
        message = " ".join(str(error).split())
        logger.warning("the library of %s cannot be registered: %s", distribution, message)
        return _Registration(f"its library cannot be registered: {message}; repair or uninstall {distribution}")
    return _Registration(None, ep_names)


def _plugin_candidates(runtime: Any, available: Iterable[str]) -> list[Candidate]:
    """Group the devices of providers that came as a library: one candidate for each device, GPUs and NPUs first."""
    if not hasattr(runtime, "get_ep_devices"):
        return []
    built_in = set(available)
    found = [device for device in runtime.get_ep_devices() if device.ep_name not in built_in]
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
