"""The doctor's report as data: what a script reads as JSON, and what is rendered for people."""

from __future__ import annotations

from dataclasses import dataclass

from jan_ort.cli.doctor.devices.seen_device import DeviceTruth
from jan_ort.plugins.report import BackendReport
from jan_ort.settings.in_force import SettingInForce
from jan_ort_backends import DeviceReport
from jan_ort_backends.diagnosis import ProviderTruth
from jan_ort_backends.memory import MemoryNeed


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps a server from starting, and what to do about it; the remedy may be within the message."""

    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Platform:
    """The machine: ``cpus`` is the number of processors this process may use, ``memory_bytes`` 0 if unknown."""

    system: str
    machine: str
    python: str
    executable: str
    cpus: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class BackendTruth:
    """A backend plugin, and what it finds when it tries its execution providers; ``error`` if that failed."""

    plugin: BackendReport
    providers: tuple[ProviderTruth, ...] = ()
    error: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class CacheReport:
    """The model cache; ``damaged`` names the folders whose files are not whole."""

    path: str
    writable: bool
    free_bytes: int
    num_models: int
    size_bytes: int
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A model that a server would serve: ``state`` is "cached", "local", "to be fetched" or "to be converted".

    ``device`` is where it ran when it was opened just now; None if it was not. ``needs_bytes`` is the free disk space
    that fetching and converting it takes, 0 where that is not known; ``memory`` what
    serving it takes, where its backend tells. ``name`` is what it is served under, once that is known; ``provider``
    its own one, of ``NAME@provider``.
    """

    reference: str
    task: str
    state: str
    folder: str | None = None
    backend: str | None = None
    device: DeviceReport | None = None
    needs_bytes: int = 0
    memory: MemoryNeed | None = None
    name: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """Everything; ``problems`` are what keeps a server from starting with these settings. ``cache`` needs settings."""

    versions: dict[str, str]
    platform: Platform
    backends: tuple[BackendTruth, ...]
    devices: tuple[DeviceTruth, ...]
    settings: tuple[SettingInForce, ...]
    cache: CacheReport | None
    models: tuple[ModelReport, ...]
    problems: tuple[Problem, ...]

    @property
    def can_start(self) -> bool:
        """Whether a server could start now."""
        return not self.problems
