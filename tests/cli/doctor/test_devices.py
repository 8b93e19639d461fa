"""The devices that Linux shows, from trees of /sys and /dev as real machines have them, and what each lacks."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from jan_ort.cli.doctor.devices.judging import examine_devices, seen_devices
from jan_ort.cli.doctor.devices.linux_devices import linux_devices
from jan_ort.cli.doctor.devices.seen_device import GPU, NPU, SeenDevice
from jan_ort.cli.doctor.devices.what_is_needed import LINUX, NEEDS, WINDOWS
from jan_ort.cli.doctor.examination import examine_all
from jan_ort.cli.doctor.rendering import render
from jan_ort_backends.diagnosis import ProviderTruth

ROOT = Path(__file__).parents[3]

BRIDGE = """\
PCI_CLASS=60000
PCI_ID=8086:0D57
PCI_SUBSYS_ID=0000:0000
PCI_SLOT_NAME=0000:00:00.0
MODALIAS=pci:v00008086d00000D57sv00000000sd00000000bc06sc00i00
"""
DISK = """\
DRIVER=virtio-pci
PCI_CLASS=18000
PCI_ID=1AF4:1042
PCI_SUBSYS_ID=1AF4:1042
PCI_SLOT_NAME=0000:00:02.0
MODALIAS=pci:v00001AF4d00001042sv00001AF4sd00001042bc01sc80i00
"""
INTEL = """\
DRIVER=i915
PCI_CLASS=38000
PCI_ID=8086:591B
PCI_SUBSYS_ID=8086:2073
PCI_SLOT_NAME=0000:00:02.0
MODALIAS=pci:v00008086d0000591Bsv00008086sd00002073bc03sc80i00
"""
AMD = """\
DRIVER=amdgpu
PCI_CLASS=30000
PCI_ID=1002:694C
PCI_SUBSYS_ID=8086:2073
PCI_SLOT_NAME=0000:01:00.0
MODALIAS=pci:v00001002d0000694Csv00008086sd00002073bc03sc00i00
"""


def uevent(number: str, ids: str, driver: str = "") -> str:
    """Write a device of another class as the recorded ones are written."""
    return (
        AMD.replace("30000", number)
        .replace("1002:694C", ids)
        .replace("DRIVER=amdgpu\n", driver and f"DRIVER={driver}\n")
    )


NVIDIA = uevent("30200", "10DE:2335", "nvidia")
NOUVEAU = uevent("30000", "10DE:2684", "nouveau")
BARE_NVIDIA = uevent("30000", "10DE:2684")
AMD_NPU = uevent("118000", "1022:17F0", "amdxdna")
AMD_SENSOR = uevent("118000", "8086:9A03")
INSTINCT = uevent("120000", "1002:74A1", "amdgpu")
INTEL_NPU = uevent("120000", "8086:7D1D", "intel_vpu")
PASSED_ON = uevent("30000", "10DE:2684", "vfio-pci")
HYPER_V_SCREEN = uevent("30000", "1414:5353", "hyperv_drm")
WSL = uevent("30200", "1414:008E", "dxgkrnl")
SCREEN = uevent("30000", "1234:1111", "bochs-drm")


def machine(root: Path, *uevents: str, nodes: tuple[str, ...] = ()) -> Path:
    for number, text in enumerate(uevents):
        place = root / f"sys/bus/pci/devices/0000_00_{number:02x}.0"  # ":" is no character of a name on Windows
        place.mkdir(parents=True)
        (place / "uevent").write_text(text)
    for node in nodes:
        path = root / "dev" / node
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def said(root: Path, *providers: ProviderTruth) -> list[tuple[str, str | None, str, str]]:
    truths = examine_devices(providers, system=LINUX, root=root)
    return [(each.name, each.provider, each.reason, each.remedy) for each in truths]


def works(name: str, device: str = "") -> ProviderTruth:
    return ProviderTruth(name, True, True, device=device)


def test_gpus_and_npus_are_told_from_everything_else(tmp_path: Path) -> None:
    root = machine(tmp_path, BRIDGE, DISK, INTEL, AMD, INSTINCT, NVIDIA, AMD_NPU, AMD_SENSOR, INTEL_NPU, BARE_NVIDIA)

    assert linux_devices(root) == [
        SeenDevice(GPU, "8086", "591b", "i915"),
        SeenDevice(GPU, "1002", "694c", "amdgpu"),
        SeenDevice(GPU, "1002", "74a1", "amdgpu"),
        SeenDevice(GPU, "10de", "2335", "nvidia"),
        SeenDevice(NPU, "1022", "17f0", "amdxdna"),
        SeenDevice(NPU, "8086", "7d1d", "intel_vpu"),
        SeenDevice(GPU, "10de", "2684"),
    ]


@pytest.mark.parametrize(
    ("device", "nodes", "name", "reason", "remedy"),
    [
        (BARE_NVIDIA, (), "NVIDIA 10de:2684", "has no driver", "apt install nvidia-driver"),
        (NOUVEAU, ("dri/renderD128",), "NVIDIA 10de:2684", "its driver nouveau", "apt install nvidia-driver"),
        (NVIDIA, (), "NVIDIA 10de:2335", "there is no /dev/nvidiactl", "--gpus all"),
        (NVIDIA, ("nvidiactl",), "NVIDIA 10de:2335", "no provider for it is installed (cuda", "'onnxruntime-gpu["),
        (AMD, (), "AMD 1002:694c", "there is no /dev/dri/renderD*", "--device /dev/dri"),
        (
            AMD,
            ("dri/renderD128", "kfd"),
            "AMD 1002:694c",
            "(webgpu",
            "onnxruntime-ep-webgpu, and sudo apt install mesa",
        ),
        (AMD_NPU, ("accel/accel0",), "AMD 1022:17f0", "no provider for it (vitisai) is published for pip", ""),
        (
            INTEL,
            ("dri/renderD128",),
            "Intel 8086:591b",
            "(openvino",
            "-ep-openvino, and sudo apt install intel-opencl-icd",
        ),
        (INTEL_NPU, (), "Intel 8086:7d1d", "there is no /dev/accel/accel*", "--device /dev/accel"),
        (INTEL_NPU, ("accel/accel0",), "Intel 8086:7d1d", "(openvino)", "intel-level-zero-npu"),
        (PASSED_ON, (), "NVIDIA 10de:2684", "reserved for virtual machines", ""),
        (HYPER_V_SCREEN, ("dri/card0",), "1414:5353", "no provider of ONNX Runtime computes", ""),
        (WSL, ("dxg",), "NVIDIA 1414:008e", "no provider for it is installed (cuda)", "'onnxruntime-gpu["),
        (SCREEN, ("dri/card0",), "1234:1111", "no provider of ONNX Runtime computes", ""),
    ],
)
def test_the_first_thing_that_is_missing_is_named_with_what_to_do(
    tmp_path: Path, device: str, nodes: tuple[str, ...], name: str, reason: str, remedy: str
) -> None:
    ((shown, provider, why, what),) = said(machine(tmp_path, device, nodes=nodes), works("cpu"))

    assert (shown, provider) == (name, None)
    assert reason in why
    assert remedy in what
    assert bool(remedy) is bool(what)


@pytest.mark.parametrize(
    ("device", "nodes", "provider"),
    [
        (NVIDIA, ("nvidiactl",), works("cuda")),
        (NVIDIA, ("nvidiactl",), works("webgpu", "GPU")),
        (INSTINCT, ("dri/renderD128",), works("webgpu", "GPU")),
        (AMD, ("dri/renderD128",), works("webgpu", "GPU")),
        (INTEL, ("dri/renderD128",), works("openvino.gpu", "GPU")),
        (INTEL_NPU, ("accel/accel0",), works("openvino", "NPU")),
    ],
)
def test_a_device_that_a_provider_computes_on_lacks_nothing(
    tmp_path: Path, device: str, nodes: tuple[str, ...], provider: ProviderTruth
) -> None:
    ((_, used, reason, remedy),) = said(machine(tmp_path, device, nodes=nodes), works("cpu"), provider)

    assert (used, reason, remedy) == (provider.name, "", "")


def test_a_provider_that_computes_on_the_processor_is_no_help_to_a_gpu(tmp_path: Path) -> None:
    root = machine(tmp_path, INTEL, nodes=("dri/renderD128",))

    ((_, used, reason, remedy),) = said(root, works("openvino", "CPU"))

    assert (used, reason) == (None, "provider openvino is installed and does not find it")
    assert remedy == "sudo apt install intel-opencl-icd"


@pytest.mark.parametrize(
    ("device", "node", "brings", "remedy"),
    [
        (AMD, "dri/renderD128", "onnxruntime-ep-webgpu", "sudo apt install mesa-vulkan-drivers"),
        (NVIDIA, "nvidiactl", "onnxruntime-ep-nv-tensorrt-rtx-cu13", "repair it"),
    ],
)
def test_a_package_that_is_installed_and_brings_nothing_is_not_to_be_installed_again(
    tmp_path: Path, device: str, node: str, brings: str, remedy: str
) -> None:
    absent = [ProviderTruth(name, False, False, "no such provider", "pip install") for name in ("cuda", "webgpu")]
    library = ProviderTruth(brings, True, False, "its library offers no device here", "repair it")

    ((_, used, reason, what),) = said(machine(tmp_path, device, nodes=(node,)), works("cpu"), *absent, library)

    assert (used, reason, what) == (None, f"{brings}: its library offers no device here", remedy)


def test_a_provider_that_fails_is_named_with_the_library_that_it_needs(tmp_path: Path) -> None:
    root = machine(tmp_path, AMD, nodes=("dri/renderD128",))

    ((_, used, reason, remedy),) = said(root, ProviderTruth("webgpu", True, False, "no adapter", "update", "GPU"))

    assert (used, reason) == (None, "provider webgpu does not work: no adapter")
    assert remedy == "sudo apt install mesa-vulkan-drivers"


def test_a_node_that_is_not_open_to_the_user_is_named_with_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path, AMD, nodes=("dri/renderD128",))
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    ((_, _, reason, remedy),) = said(root)

    assert (reason, remedy.startswith("sudo usermod -aG ")) == ("/dev/dri/renderD128 is not open to this user", True)


@pytest.mark.parametrize(
    ("node", "name"), [("nvidiactl", "NVIDIA"), ("dxg", "GPU of Windows, in WSL"), ("fastrpc-cdsp", "Qualcomm")]
)
def test_a_device_on_no_bus_is_found_by_its_node(tmp_path: Path, node: str, name: str) -> None:
    ((shown, _, reason, remedy),) = said(machine(tmp_path, DISK, nodes=(node,)))

    assert (shown, "no provider for it is installed" in reason, "pip install" in remedy) == (name, True, True)


MALI = """\
DRIVER=panfrost
OF_NAME=gpu
OF_FULLNAME=/gpu@ff9a0000
OF_COMPATIBLE_0=rockchip,rk3399-mali
OF_COMPATIBLE_1=arm,mali-t860
OF_COMPATIBLE_N=2
MODALIAS=of:NgpuT(null)Crockchip,rk3399-maliCarm,mali-t860
"""
NPU_CORE = MALI.replace("panfrost", "rocket").replace("rk3399-mali", "rk3588-rknn-core")


def on_board(root: Path, **uevents: str) -> Path:
    """Write parts of a board, by the class and the number that Linux gives them."""
    for name, text in uevents.items():
        place = root / "sys/class" / name.replace("__", "/") / "device"
        place.mkdir(parents=True)
        (place / "uevent").write_text(text)
    return root


def test_the_parts_of_a_board_are_found_though_no_bus_tells_them(tmp_path: Path) -> None:
    root = machine(on_board(tmp_path, drm__renderD128=MALI, accel__accel0=NPU_CORE, accel__accel1=NPU_CORE))
    on_board(
        root,
        drm__renderD129=AMD + "OF_COMPATIBLE_0=pci1002,694c",
        drm__renderD130="DRIVER=virtio_gpu\nMODALIAS=virtio:d00000010v00001AF4\n",
    )

    assert linux_devices(root) == [
        SeenDevice(GPU, "", driver="panfrost", name="rockchip,rk3399-mali"),
        SeenDevice(NPU, "", driver="rocket", name="rockchip,rk3588-rknn-core"),
    ]


def test_the_gpu_of_a_board_is_told_what_may_compute_on_it(tmp_path: Path) -> None:
    root = machine(on_board(tmp_path, drm__renderD128=MALI, accel__accel0=NPU_CORE), nodes=("dri/renderD128",))

    gpu, npu = said(root, works("cpu"))
    (used, _) = said(root, works("webgpu", "GPU"))

    assert gpu[:2] == ("rockchip,rk3399-mali", None)
    assert gpu[3] == "pip install onnxruntime-ep-webgpu, and sudo apt install mesa-vulkan-drivers"
    assert (npu[2], used[1]) == ("no provider of ONNX Runtime computes on such a device", "webgpu")


@pytest.mark.parametrize(
    "broken", ["", "PCI_CLASS=\nPCI_ID=", "PCI_CLASS=xyz\nPCI_ID=10DE:2335", "PCI_CLASS=30000\n", "\x00\x01\x02"]
)
def test_what_cannot_be_understood_is_passed_over(tmp_path: Path, broken: str) -> None:
    root = machine(tmp_path, broken, NVIDIA)

    assert SeenDevice(GPU, "10de", "2335", "nvidia") in linux_devices(root)


def test_where_nothing_can_be_read_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path / "closed", NVIDIA)
    (root / "sys/bus/pci/devices/0000_00_00.0/uevent").unlink()

    assert linux_devices(tmp_path / "nowhere") == []
    assert linux_devices(root) == []
    monkeypatch.setattr(Path, "iterdir", _refuse)
    assert linux_devices(machine(tmp_path / "open", NVIDIA)) == []


def _refuse(path: Path) -> None:
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /sys")
def test_on_this_machine_the_bus_has_as_many_devices_of_these_classes() -> None:
    bus = Path("/sys/bus/pci/devices")
    classes = [int((place / "class").read_text(), 16) for place in bus.iterdir()] if bus.is_dir() else []

    found = [device for device in linux_devices(Path("/")) if device.device_id]

    displays = sum(number >> 16 in (0x03, 0x12) for number in classes)
    assert displays <= len(found) <= displays + sum(number >> 8 == 0x1180 for number in classes)


def test_the_doctor_shows_the_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "jan_ort.cli.doctor.examination.examine_devices", lambda providers: examined(tmp_path, providers)
    )
    report = examine_all({"backend": "reference", "port": 0}, quick=True)

    shown = render(report)

    assert (
        "GPU NVIDIA 10de:2684 (driver nouveau): NOT used: nothing computes with its driver nouveau\n  remedy:" in shown
    )
    assert report.can_start


def examined(root: Path, providers: list[ProviderTruth]) -> list[object]:
    assert {each.name for each in providers} >= {"cpu", "cuda"}
    return list(examine_devices(providers, system=LINUX, root=machine(root, NOUVEAU)))


def test_no_system_is_asked_what_it_does_not_know() -> None:
    assert seen_devices("freebsd15", Path("/")) == []


def test_every_command_of_the_table_stands_in_the_documentation() -> None:
    text = " ".join((ROOT / "docs/platforms.md").read_text(encoding="utf-8").split())

    commands: Mapping[str, str] = {
        command: needs.vendor for needs in NEEDS for command in (needs.package, needs.library) if command
    }

    assert {command: vendor for command, vendor in commands.items() if f"`{command}`" not in text} == {}
    assert {needs.vendor for needs in NEEDS if needs.system == WINDOWS} == {"NVIDIA", "AMD", "Intel", "Qualcomm"}
