"""A GPU or NPU as the operating system shows it, and what is found out about it."""

from __future__ import annotations

from dataclasses import dataclass

GPU, NPU = "GPU", "NPU"


@dataclass(frozen=True, slots=True)
class SeenDevice:
    """One device: ``vendor_id`` and ``device_id`` are PCI's, four hexadecimal digits; "" where there are none.

    ``driver`` is what the system runs it with, None for nothing. ``name`` is what the system calls it, if it does.
    """

    kind: str
    vendor_id: str
    device_id: str = ""
    driver: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class DeviceTruth:
    """What can be said of a device: the ``provider`` that computes on it, or the ``reason`` that none does.

    ``remedy`` is what to do about that, "" where nothing helps.
    """

    name: str
    kind: str
    driver: str | None
    provider: str | None = None
    reason: str = ""
    remedy: str = ""
