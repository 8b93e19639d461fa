"""Which GPUs and NPUs Windows shows: the devices that are plugged in, and what the registry says of each."""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jan_ort.cli.doctor.devices.seen_device import GPU, NPU, SeenDevice

Read = Callable[[str], Mapping[str, object]]
"""Returns the values of a key of HKEY_LOCAL_MACHINE by name, none for one that is not there."""

_ENUM, _CLASS = r"SYSTEM\CurrentControlSet\Enum", r"SYSTEM\CurrentControlSet\Control\Class"

_KINDS = {
    "{4d36e968-e325-11ce-bfc1-08002be10318}": GPU,  # display adapters
    "{f01a9d53-3ff6-48d2-9f97-c8a7004be10c}": NPU,  # compute accelerators
}
_BY_CODE = (("PCI\\CC_03", GPU), ("PCI\\CC_12", NPU), ("PCI\\VEN_1022&CC_1180", NPU))
"""What a device without a driver is, which has no class of Windows yet."""

_ID = re.compile(r"VEN_(?P<vendor>[0-9A-Z]{4})&DEV_(?P<device>[0-9A-Z]{4})", re.IGNORECASE)
_ACPI_VENDORS = {"QCOM": "17cb"}
"""Of devices on no PCI bus the hardware id tells the maker: Qualcomm's are of the form ACPI\\VEN_QCOM&DEV_0C36."""

_GENERIC = ("BasicDisplay", "BasicRender")
"""Windows' own drivers, which draw and compute nothing."""


def windows_devices() -> list[SeenDevice]:
    """Return the devices that are plugged in, nothing where Windows does not tell."""
    with contextlib.suppress(OSError, AttributeError):  # of a Windows without these calls, and of no Windows
        return list(described(_present_ids(), _read_key))
    return []


def described(ids: Iterable[str], read: Read) -> Iterator[SeenDevice]:
    """Yield those of the device ids that are GPUs or NPUs."""
    for each in ids:
        values = read(f"{_ENUM}\\{each}")
        names = [name.upper() for value in ("HardwareID", "CompatibleIDs") for name in _texts(values.get(value))]
        kind = _KINDS.get(str(values.get("ClassGUID", "")).lower()) or next(
            (kind for code, kind in _BY_CODE if any(name.startswith(code) for name in names)), None
        )
        match = next((match for name in (each, *names) if (match := _ID.search(name))), None)
        if kind is not None and match is not None:
            yield _device(kind, match, values, read)


def _device(kind: str, match: re.Match[str], values: Mapping[str, object], read: Read) -> SeenDevice:
    vendor = match["vendor"].lower()
    service = str(values.get("Service", ""))
    driver = read(f"{_CLASS}\\{values['Driver']}") if "Driver" in values else {}
    shown = f"{service} {driver.get('DriverVersion', '')}".strip() if service not in ("", *_GENERIC) else None
    name = str(values.get("FriendlyName") or values.get("DeviceDesc") or "").rpartition(";")[2]  # "@oem1.inf,…;NAME"
    return SeenDevice(kind, _ACPI_VENDORS.get(match["vendor"].upper(), vendor), match["device"].lower(), shown, name)


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _present_ids() -> list[str]:
    """Return the ids of the devices that are there. Raises: OSError, AttributeError."""
    calls: Any = ctypes.WinDLL("cfgmgr32")  # type: ignore[attr-defined,unused-ignore]
    present, size = 0x100, ctypes.c_ulong()  # CM_GETIDLIST_FILTER_PRESENT
    if calls.CM_Get_Device_ID_List_SizeW(ctypes.byref(size), None, present):
        raise OSError("the size of the list of devices is not told")
    found = ctypes.create_unicode_buffer(size.value)
    if calls.CM_Get_Device_ID_ListW(None, found, size, present):
        raise OSError("the list of devices is not told")
    return [each for each in ctypes.wstring_at(found, size.value).split("\0") if each]


def _read_key(path: str) -> dict[str, object]:
    if sys.platform != "win32":
        return {}
    import winreg

    values: dict[str, object] = {}
    with contextlib.suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
        for index in range(winreg.QueryInfoKey(key)[1]):
            name, value, _ = winreg.EnumValue(key, index)
            values[name] = value
    return values
