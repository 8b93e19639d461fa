"""Which GPUs and NPUs Linux shows: its PCI devices, and those on no PCI bus by their nodes and classes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from jan_ort.cli.doctor.devices.seen_device import GPU, NPU, SeenDevice

_DISPLAY, _ACCELERATOR, _SIGNAL_PROCESSOR = 0x03, 0x12, 0x1180
_AMD_PROCESSOR, _AMD_GRAPHICS = "1022", "1002"
"""AMD's NPUs are signal processors of the first vendor; other vendors' signal processors are sensors.

The second's accelerators are GPUs without a screen (MI200, MI300).
"""

_BY_CLASS = (("drm/renderD*", GPU), ("accel/accel*", NPU))
"""Where Linux lists what computes, whatever bus it is on."""


def linux_devices(root: Path) -> list[SeenDevice]:
    """Return the devices under ``root``, in the order of the bus; those that cannot be read are left out."""
    found = list(_on_bus(root / "sys/bus/pci/devices"))
    vendors = {device.vendor_id for device in found}
    for pattern, device in _BY_NODE:
        if device.vendor_id not in vendors and any((root / "dev").glob(pattern)):
            found.append(device)
    return [*found, *_on_board(root / "sys/class")]


_BY_NODE = (
    ("nvidiactl", SeenDevice(GPU, "10de", driver="nvidia")),
    ("dxg", SeenDevice(GPU, "1414", driver="dxgkrnl", name="GPU of Windows, in WSL")),
    ("fastrpc-cdsp*", SeenDevice(NPU, "17cb", driver="fastrpc")),
)


def _on_board(classes: Path) -> Iterator[SeenDevice]:
    """Yield what is on no bus that tells what it holds, but in the table of a board's parts, once each."""
    for pattern, kind in _BY_CLASS:
        told = (_said(place / "device/uevent") for place in sorted(classes.glob(pattern)))
        parts = (said for said in told if "OF_COMPATIBLE_0" in said and "PCI_ID" not in said)
        drivers = {said["OF_COMPATIBLE_0"]: said.get("DRIVER") for said in parts}
        yield from (SeenDevice(kind, "", driver=driver, name=name) for name, driver in drivers.items())


def _on_bus(bus: Path) -> Iterator[SeenDevice]:
    places: list[Path] = []
    with contextlib.suppress(OSError):  # there may be no /sys, or none that may be read
        places = sorted(bus.iterdir())
    for place in places:
        with contextlib.suppress(ValueError):
            device = _read(_said(place / "uevent"))
            if device is not None:
                yield device


def _said(uevent: Path) -> dict[str, str]:
    """Return what a device's ``uevent`` file says, nothing of one that has just been taken out."""
    with contextlib.suppress(OSError, ValueError):
        return dict(line.partition("=")[::2] for line in uevent.read_text(encoding="ascii").splitlines())
    return {}


def _read(said: Mapping[str, str]) -> SeenDevice | None:
    """Return the device of a bus, None if it computes nothing. Raises: ValueError if that is not told."""
    number = int(said.get("PCI_CLASS", ""), 16)  # class, subclass and interface, without leading zeros
    vendor, _, device = said.get("PCI_ID", "").lower().partition(":")
    if number >> 16 == _DISPLAY or (number >> 16 == _ACCELERATOR and vendor == _AMD_GRAPHICS):
        kind = GPU
    elif number >> 16 == _ACCELERATOR or (number >> 8 == _SIGNAL_PROCESSOR and vendor == _AMD_PROCESSOR):
        kind = NPU
    else:
        return None
    return SeenDevice(kind, vendor, device, said.get("DRIVER"))
