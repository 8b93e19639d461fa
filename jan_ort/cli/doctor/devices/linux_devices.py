"""Which GPUs and NPUs Linux shows: its PCI devices, and the nodes of those that are on no PCI bus."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jan_ort.cli.doctor.devices.seen_device import GPU, NPU, SeenDevice

_DISPLAY, _ACCELERATOR, _SIGNAL_PROCESSOR = 0x03, 0x12, 0x1180
_AMD_PROCESSOR = "1022"
"""AMD's NPUs are signal processors of this vendor; other vendors' signal processors are sensors."""


def linux_devices(root: Path) -> list[SeenDevice]:
    """Return the devices under ``root``, in the order of the bus; those that cannot be read are left out."""
    found = list(_on_bus(root / "sys/bus/pci/devices"))
    vendors = {device.vendor_id for device in found}
    for pattern, device in _BY_NODE:
        if device.vendor_id not in vendors and any((root / "dev").glob(pattern)):
            found.append(device)
    return found


_BY_NODE = (
    ("nvidiactl", SeenDevice(GPU, "10de", driver="nvidia")),
    ("dxg", SeenDevice(GPU, "1414", driver="dxgkrnl", name="GPU of Windows, in WSL")),
    ("fastrpc-cdsp*", SeenDevice(NPU, "17cb", driver="fastrpc")),
)


def _on_bus(bus: Path) -> Iterator[SeenDevice]:
    places: list[Path] = []
    with contextlib.suppress(OSError):  # there may be no /sys, or none that may be read
        places = sorted(bus.iterdir())
    for place in places:
        with contextlib.suppress(OSError, ValueError):  # one may have just been taken out
            device = _read((place / "uevent").read_text(encoding="ascii"))
            if device is not None:
                yield device


def _read(uevent: str) -> SeenDevice | None:
    """Return the device of a ``uevent`` file, None if it computes nothing. Raises: ValueError for no such file."""
    said = dict(line.partition("=")[::2] for line in uevent.splitlines())
    number = int(said.get("PCI_CLASS", ""), 16)  # class, subclass and interface, without leading zeros
    vendor, _, device = said.get("PCI_ID", "").lower().partition(":")
    if number >> 16 == _DISPLAY:
        kind = GPU
    elif number >> 16 == _ACCELERATOR or (number >> 8 == _SIGNAL_PROCESSOR and vendor == _AMD_PROCESSOR):
        kind = NPU
    else:
        return None
    return SeenDevice(kind, vendor, device, said.get("DRIVER"))
