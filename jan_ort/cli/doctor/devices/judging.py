"""What each device that the system shows lacks: a driver, the right to use it, a library or a package."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from jan_ort.cli.doctor.devices.linux_devices import linux_devices
from jan_ort.cli.doctor.devices.seen_device import GPU, DeviceTruth, SeenDevice
from jan_ort.cli.doctor.devices.what_is_needed import LINUX, MACOS, WINDOWS, Needs, needs_of
from jan_ort.cli.doctor.devices.windows_devices import windows_devices
from jan_ort_backends.diagnosis import ProviderTruth

_PASSED_ON = "vfio-pci"
"""The driver of devices that are given to a virtual machine."""


def examine_devices(
    providers: Sequence[ProviderTruth], *, system: str = sys.platform, root: Path = Path("/")
) -> list[DeviceTruth]:
    """Return the truth about each device, ``providers`` being what the backends have found."""
    return [judge(device, providers, system=system, root=root) for device in seen_devices(system, root)]


def seen_devices(system: str, root: Path) -> list[SeenDevice]:
    """Return the GPUs and NPUs that a system shows, none where it cannot be asked."""
    if system == LINUX:
        return linux_devices(root)
    if system == WINDOWS:
        return windows_devices()
    return [SeenDevice(GPU, "106b", name="Apple silicon")] if system == MACOS and platform.machine() == "arm64" else []


def judge(device: SeenDevice, providers: Iterable[ProviderTruth], *, system: str, root: Path) -> DeviceTruth:
    """Say what computes on a device, or the first thing that keeps everything from it, and what to do."""
    needs = needs_of(device, system)
    truth = DeviceTruth(_name(device, needs), device.kind, device.driver)
    if needs is None:
        return _with(truth, "no provider of ONNX Runtime computes on such a device")
    lacking = _lacking_driver(device, needs, system) or _lacking_access(needs, root)
    if lacking is not None:
        return _with(truth, *lacking)
    for_it = [each for each in providers if _is_for(each, needs)]
    fitting = [each for each in for_it if each.device in ("", device.kind)]  # one on the processor is no help
    if usable := next((each for each in fitting if each.usable), None):
        return DeviceTruth(truth.name, truth.kind, truth.driver, usable.name)
    return _with(truth, *(_failing(needs, fitting) or _lacking_provider(needs, for_it)))


def _is_for(provider: ProviderTruth, needs: Needs) -> bool:
    """Whether it is there and computes on such devices: a provider, or what brings one and is called by its names."""
    if provider.name.split(".")[0] in needs.providers:
        return provider.registered
    brings = provider.name.lower().replace("-", "")
    return any(name in brings for name in needs.providers)


def _with(truth: DeviceTruth, reason: str, remedy: str = "") -> DeviceTruth:
    return DeviceTruth(truth.name, truth.kind, truth.driver, None, reason, remedy)


def _lacking_driver(device: SeenDevice, needs: Needs, system: str) -> tuple[str, str] | None:
    if device.driver == _PASSED_ON:
        return "it is reserved for virtual machines (driver vfio-pci)", ""
    if device.driver is None and system != MACOS:
        return "it has no driver", needs.driver
    if needs.drivers and device.driver not in needs.drivers:
        return f"nothing computes with its driver {device.driver}", needs.driver
    return None


def _lacking_access(needs: Needs, root: Path) -> tuple[str, str] | None:
    """Return what is wrong with the device's nodes, None if one of them may be opened."""
    if not needs.nodes:
        return None
    nodes = [node for pattern in needs.nodes for node in sorted((root / "dev").glob(pattern))]
    if not nodes:
        shown = " and ".join(f"/dev/{pattern}" for pattern in needs.nodes)
        how = "--gpus all" if needs.vendor == "NVIDIA" else f"--device /dev/{Path(needs.nodes[0]).parts[0]}"
        return f"its driver runs, and there is no {shown}", f"in a container: start it with {how}; else restart"
    if any(os.access(node, os.R_OK | os.W_OK) for node in nodes):
        return None
    shown = f"/dev/{nodes[0].relative_to(root / 'dev').as_posix()}"
    return f"{shown} is not open to this user", f"sudo usermod -aG {_group(nodes[0])} $USER, then log in again"


def _group(node: Path) -> str:
    try:
        return node.group()
    except (KeyError, NotImplementedError, OSError):  # a group without a name, as in containers
        return "render"


def _failing(needs: Needs, fitting: Sequence[ProviderTruth]) -> tuple[str, str] | None:
    if not fitting:
        return None
    first = fitting[0]
    is_provider = first.name.split(".")[0] in needs.providers
    reason = f"provider {first.name} does not work: {first.detail}" if is_provider else f"{first.name}: {first.detail}"
    return reason, needs.library or first.remedy or needs.driver


def _lacking_provider(needs: Needs, elsewhere: Sequence[ProviderTruth]) -> tuple[str, str]:
    """Return what is to be installed: what the providers need that compute elsewhere, else one."""
    if elsewhere:
        return f"provider {elsewhere[0].name} is installed and does not find it", needs.library or needs.driver
    names = ", ".join(needs.providers)
    if not needs.package:
        return f"no provider for it ({names}) is published for pip", ""
    remedy = needs.package + (f", and {needs.library}" if needs.library else "")
    return f"no provider for it is installed ({names})", remedy


def _name(device: SeenDevice, needs: Needs | None) -> str:
    """Return what people call it: the system's own name, else the vendor's, with PCI's ids."""
    ids = f"{device.vendor_id}:{device.device_id}" if device.device_id else ""
    own = device.name or (needs.vendor if needs is not None else "")
    return " ".join(filter(None, (own, ids)))
