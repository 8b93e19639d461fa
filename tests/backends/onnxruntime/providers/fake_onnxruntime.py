"""A stand-in for the module onnxruntime on machines that are not here: its providers, devices and node placement.

It has the real module's names and parameters, which ``test_fake_onnxruntime.py`` compares with the installed one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnxruntime as real

CPU, CUDA, DML = "CPUExecutionProvider", "CUDAExecutionProvider", "DmlExecutionProvider"
NUM_NODES = 10


@dataclass(frozen=True)
class HardwareDevice:
    type: Any
    device_id: int = 0
    vendor: str = ""
    vendor_id: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EpDevice:
    """One device that a provider's library offers."""

    ep_name: str
    device: HardwareDevice
    ep_vendor: str = ""
    ep_metadata: Mapping[str, str] = field(default_factory=dict)
    ep_options: Mapping[str, str] = field(default_factory=dict)


def ep_device(ep_name: str, kind: str, device_id: int = 0) -> EpDevice:
    return EpDevice(ep_name, HardwareDevice(getattr(real.OrtHardwareDeviceType, kind), device_id))


@dataclass(frozen=True)
class Subgraph:
    ep_name: str
    num_nodes: int

    def get_nodes(self) -> list[None]:
        return [None] * self.num_nodes


class SessionOptions:
    def __init__(self) -> None:
        self.entries: dict[str, str] = {}
        self.devices: list[EpDevice] = []
        self.enable_mem_pattern = True
        self.execution_mode: Any = None

    def add_session_config_entry(self, key: str, value: str) -> None:
        self.entries[key] = value

    def add_provider_for_devices(self, devices: Sequence[EpDevice], options: Mapping[str, str]) -> None:
        self.devices = list(devices)


@dataclass
class FakeRuntime:
    """``on_provider``: how many of the ten nodes a provider takes, all unless named; ``left_out`` are dropped silently,

    ``failing`` raise when a session is opened. ``brings`` are the devices that a library of that path brings once it is
    registered; one without a provider's name takes the name of the registration.
    """

    available: Sequence[str] = (CPU,)
    brings: Mapping[str, Sequence[EpDevice]] = field(default_factory=dict)
    on_provider: Mapping[str, int] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    failing: Mapping[str, Exception] = field(default_factory=dict)
    __version__: str = "1.32.0"

    def __post_init__(self) -> None:
        self.ExecutionMode, self.GraphOptimizationLevel = real.ExecutionMode, real.GraphOptimizationLevel
        self.SessionOptions = SessionOptions
        self.sessions: list[FakeSession] = []
        self.libraries: dict[str, str] = {}
        self.num_preloads = 0

    def get_available_providers(self) -> list[str]:
        return list(dict.fromkeys([*self.available, *(device.ep_name for device in self._brought())]))

    def get_ep_devices(self) -> list[EpDevice]:
        return [ep_device(CPU, "CPU"), *self._brought()]

    def _brought(self) -> list[EpDevice]:
        return [
            device if device.ep_name else replace(device, ep_name=name)
            for name, path in self.libraries.items()
            for device in self.brings.get(path, ())
        ]

    def register_execution_provider_library(self, name: str, path: str) -> None:
        if path == "broken":
            raise RuntimeError("Failed to load library broken")
        self.libraries[name] = path

    def preload_dlls(self, cuda: bool = True, cudnn: bool = True, msvc: bool = True, directory: Any = None) -> None:
        self.num_preloads += 1
        print("Failed to load libcudnn.so.9")  # noqa: T201  (as the real one does)

    def InferenceSession(  # noqa: N802  (the real one's name)
        self,
        path_or_bytes: str | bytes | os.PathLike[str],
        sess_options: Any = None,
        providers: Any = None,
        provider_options: Any = None,
        **kwargs: Any,
    ) -> FakeSession:
        session = FakeSession(self, sess_options, providers or [], kwargs)
        if session.provider in self.failing:
            raise self.failing[session.provider]
        self.sessions.append(session)
        return session


class FakeSession:
    """A session that counts its nodes, doubles its input, and knows whether two runs were ever at once."""

    running: set[int] = set()  # noqa: RUF012  (shared by all sessions: they are on one device)
    overlapped = threading.Event()

    def __init__(
        self, runtime: FakeRuntime, options: SessionOptions, providers: Any, kwargs: Mapping[str, Any]
    ) -> None:
        names = [device.ep_name for device in options.devices] or [name for name, _ in providers]
        self.provider = names[0]
        self.options, self.provider_options, self.kwargs = options, dict(providers), kwargs
        taken = 0 if self.provider in runtime.left_out else runtime.on_provider.get(self.provider, NUM_NODES)
        self._nodes = {self.provider: taken, CPU: NUM_NODES - taken if self.provider != CPU else NUM_NODES}
        self._providers = [CPU] if self.provider in runtime.left_out else list(dict.fromkeys([self.provider, CPU]))

    def get_providers(self) -> list[str]:
        return self._providers

    def get_provider_graph_assignment_info(self) -> list[Subgraph]:
        assert self.options.entries["session.record_ep_graph_assignment_info"] == "1"
        return [Subgraph(name, count) for name, count in self._nodes.items() if count]

    def run(self, output_names: Any, input_feed: Mapping[str, Any], run_options: Any = None) -> list[Any]:
        self.run_with_iobinding(None)
        return [2 * np.asarray(input_feed["values"])]

    def run_with_ort_values(self, output_names: Any, input_dict_ort_values: Any, run_options: Any = None) -> list[Any]:
        self.run_with_iobinding(None)
        return []

    def run_with_iobinding(self, iobinding: Any, run_options: Any = None) -> None:
        if self.running:
            self.overlapped.set()
        self.running.add(id(self))
        time.sleep(0.01)
        self.running.discard(id(self))
