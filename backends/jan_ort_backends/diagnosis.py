"""What a backend may tell the doctor about its execution providers, beyond ``probe``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class ProviderTruth:
    """One execution provider, or one library that should have brought one.

    ``registered``: the runtime knows it. ``usable``: a small graph was run on it just now, and on nothing else.
    ``detail`` says what ran or why not, ``remedy`` what to do; both may be empty. ``device`` is "CPU", "GPU" or "NPU"
    where the runtime tells which it is.
    """

    name: str
    registered: bool
    usable: bool
    detail: str = ""
    remedy: str = ""
    device: str = ""


@runtime_checkable
class DiagnosesProviders(Protocol):
    """A :class:`Backend` that can try its execution providers; without it the doctor reports ``probe`` alone."""

    def diagnose_providers(self) -> Iterable[ProviderTruth]:
        """Run something small on each provider and say which of them work. May take seconds, up to two minutes."""
        ...


@dataclass(frozen=True, slots=True)
class InstalledProvider:
    """One execution provider that was to be installed: whether it is now, and a line on its version or on why not."""

    name: str
    installed: bool
    detail: str = ""


@runtime_checkable
class InstallsProviders(Protocol):
    """A :class:`Backend` that can have execution providers installed, by the operating system for instance."""

    def install_providers(self) -> Iterable[InstalledProvider]:
        """Fetch and install what there is for this machine's devices. May take many minutes, and be repeated."""
        ...
