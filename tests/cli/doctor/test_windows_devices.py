"""The devices that Windows shows: ids and values as its registry has them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from jan_ort.cli.doctor.devices.judging import judge
from jan_ort.cli.doctor.devices.seen_device import GPU, NPU, SeenDevice
from jan_ort.cli.doctor.devices.what_is_needed import WINDOWS
from jan_ort.cli.doctor.devices.windows_devices import described, windows_devices
from jan_ort_backends.diagnosis import ProviderTruth

DISPLAY, COMPUTE = "{4d36e968-e325-11ce-bfc1-08002be10318}", "{f01a9d53-3ff6-48d2-9f97-c8a7004be10c}"
ENUM, CLASS = r"SYSTEM\CurrentControlSet\Enum", r"SYSTEM\CurrentControlSet\Control\Class"

NVIDIA = r"PCI\VEN_10DE&DEV_2684&SUBSYS_16F110DE&REV_A1\4&2283F625&0&0019"
BASIC = r"PCI\VEN_10DE&DEV_2206&SUBSYS_38971462&REV_A1\4&1FC990D7&0&0008"
BARE = r"PCI\VEN_8086&DEV_7D1D&SUBSYS_22128086&REV_04\3&11583659&0&58"
AMD_NPU = r"PCI\VEN_1022&DEV_17F0&SUBSYS_17F01022&REV_10\4&1A2B3C4D&0&0141"
ADRENO = r"ACPI\QCOM0C36\0"
HEXAGON = r"ACPI\QCOM0D0A\2&DABA3FF&0"
KEYBOARD = r"ACPI\PNP0303\4&1D401FB5&0"
REGISTRY: Mapping[str, Mapping[str, object]] = {
    rf"{ENUM}\{NVIDIA}": {
        "ClassGUID": DISPLAY,
        "DeviceDesc": "@oem12.inf,%nvidia_dev.2684%;NVIDIA GeForce RTX 4090",
        "Driver": rf"{DISPLAY}\0001",
        "Service": "nvlddmkm",
        "HardwareID": [r"PCI\VEN_10DE&DEV_2684&SUBSYS_16F110DE&REV_A1", r"PCI\VEN_10DE&DEV_2684"],
    },
    rf"{CLASS}\{DISPLAY}\0001": {"DriverVersion": "32.0.15.8088", "ProviderName": "NVIDIA"},
    rf"{ENUM}\{BASIC}": {
        "ClassGUID": DISPLAY,
        "DeviceDesc": "@display.inf,%basicdisplay%;Microsoft Basic Display Adapter",
        "Driver": rf"{DISPLAY}\0000",
        "Service": "BasicDisplay",
        "CompatibleIDs": [r"PCI\VEN_10DE&CC_030000", r"PCI\CC_030000", r"PCI\CC_0300"],
    },
    rf"{ENUM}\{BARE}": {
        "HardwareID": [r"PCI\VEN_8086&DEV_7D1D&SUBSYS_22128086&REV_04"],
        "CompatibleIDs": [r"PCI\VEN_8086&CC_120000", r"PCI\CC_120000", r"PCI\CC_1200"],
    },
    rf"{ENUM}\{AMD_NPU}": {
        "DeviceDesc": "Multimedia Controller",
        "CompatibleIDs": [r"PCI\VEN_1022&CC_118000", r"PCI\VEN_1022&CC_1180", r"PCI\CC_118000", r"PCI\CC_1180"],
    },
    rf"{ENUM}\{ADRENO}": {
        "ClassGUID": DISPLAY.upper(),
        "FriendlyName": "Qualcomm(R) Adreno(TM) X1-85 GPU",
        "Service": "qcdxkmbase8380",
        "HardwareID": [r"ACPI\VEN_QCOM&DEV_0C36&SUBSYS_CRD08380", r"ACPI\QCOM0C36"],
    },
    rf"{ENUM}\{HEXAGON}": {
        "ClassGUID": COMPUTE,
        "DeviceDesc": "@oem49.inf,%npu%;Qualcomm(R) Hexagon(TM) NPU",
        "Service": "qcnspmcdm8380",
        "HardwareID": [r"ACPI\VEN_QCOM&DEV_0D0A"],
    },
    rf"{ENUM}\{KEYBOARD}": {"ClassGUID": "{4d36e96b-e325-11ce-bfc1-08002be10318}", "HardwareID": [r"ACPI\PNP0303"]},
}
SEEN = {
    NVIDIA: SeenDevice(GPU, "10de", "2684", "nvlddmkm 32.0.15.8088", "NVIDIA GeForce RTX 4090"),
    BASIC: SeenDevice(GPU, "10de", "2206", None, "Microsoft Basic Display Adapter"),
    BARE: SeenDevice(NPU, "8086", "7d1d"),
    AMD_NPU: SeenDevice(NPU, "1022", "17f0", None, "Multimedia Controller"),
    ADRENO: SeenDevice(GPU, "17cb", "0c36", "qcdxkmbase8380", "Qualcomm(R) Adreno(TM) X1-85 GPU"),
    HEXAGON: SeenDevice(NPU, "17cb", "0d0a", "qcnspmcdm8380", "Qualcomm(R) Hexagon(TM) NPU"),
}


def test_devices_are_read_with_and_without_a_driver() -> None:
    found = list(described([*SEEN, KEYBOARD, r"PCI\GONE"], lambda path: REGISTRY.get(path, {})))

    assert found == list(SEEN.values())


@pytest.mark.parametrize(
    ("seen", "reason", "remedy"),
    [
        (NVIDIA, "no provider for it is installed (nvtensorrtrtx, cuda, dml, webgpu)", "--install-providers"),
        (BASIC, "it has no driver", "nvidia.com/drivers"),
        (BARE, "it has no driver", "intel.com"),
        (AMD_NPU, "it has no driver", "amd.com"),
        (HEXAGON, "no provider for it is installed (qnn)", "jan-ort doctor --install-providers"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(seen: str, reason: str, remedy: str) -> None:
    truth = judge(SEEN[seen], [ProviderTruth("cpu", True, True)], system=WINDOWS, root=Path("/"))

    assert (truth.provider, truth.reason, remedy in truth.remedy) == (None, reason, True)


@pytest.mark.parametrize(
    ("providers", "reason", "remedy"),
    [
        (
            [ProviderTruth("windowsml QNNExecutionProvider", False, False, "it is not installed", "install it")],
            "windowsml QNNExecutionProvider: it is not installed",
            "install it",
        ),
        (
            [ProviderTruth("qnn", True, True, device="CPU")],
            "provider qnn is installed and does not find it",
            "install the NPU's driver by Windows Update",
        ),
    ],
)
def test_what_windows_has_or_offers_is_not_to_be_looked_for(
    providers: list[ProviderTruth], reason: str, remedy: str
) -> None:
    truth = judge(SEEN[HEXAGON], providers, system=WINDOWS, root=Path("/"))

    assert (truth.provider, truth.reason, truth.remedy) == (None, reason, remedy)


def test_directml_computes_on_any_gpu_and_on_no_npu() -> None:
    providers = [ProviderTruth("dml", True, True)]

    truths = {seen: judge(SEEN[seen], providers, system=WINDOWS, root=Path("/")) for seen in (NVIDIA, ADRENO, HEXAGON)}

    assert [truth.provider for truth in truths.values()] == ["dml", "dml", None]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells")
def test_elsewhere_windows_tells_nothing() -> None:
    assert windows_devices() == []
