"""What a device needs to compute for us: one table of vendors, kinds and systems.

Class codes and drivers are those of the Linux kernel; packages were looked for where pip and apt find them on
2026-11-30. docs/platforms.md has the same table for people; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from jan_ort.cli.doctor.devices.seen_device import GPU, NPU, SeenDevice

LINUX, WINDOWS, MACOS = "linux", "win32", "darwin"

NO_PROVIDER = ""
"""In place of a package: no provider for this device is published for pip."""

_CUDA = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"
_WEBGPU = "pip install onnxruntime-ep-webgpu"
_OPENVINO = "pip install onnxruntime-ep-openvino"
_QNN = "pip install onnxruntime-qnn"
_WINDOWS_ML = "pip install windowsml, then jan-ort doctor --install-providers"
_VULKAN = "sudo apt install mesa-vulkan-drivers"


@dataclass(frozen=True, slots=True)
class Needs:
    """What the devices of one vendor and kind need on one system.

    ``drivers`` are the kernel's drivers that let them compute, none where any does; ``driver`` says how to get one.
    ``nodes`` are the patterns under /dev of which one must be open to us. ``library`` brings what a provider needs of
    the vendor beside its package. ``providers`` are names of the option ``provider``, and ``package`` brings one.
    ``only_with`` is the driver that tells these devices from others of the vendor and kind.
    """

    vendor: str
    vendor_ids: tuple[str, ...]
    kind: str
    system: str
    providers: tuple[str, ...]
    package: str
    driver: str
    drivers: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    library: str = ""
    only_with: str = ""

    def are_of(self, device: SeenDevice, system: str) -> bool:
        """Whether these are what the device needs."""
        is_such = (self.system, self.kind) == (system, device.kind) and device.vendor_id in self.vendor_ids
        return is_such and self.only_with in ("", device.driver)


NEEDS = (
    Needs(
        *("NVIDIA", ("10de",), GPU, LINUX, ("cuda", "nvtensorrtrtx", "webgpu"), _CUDA),
        driver="sudo apt install nvidia-driver (Debian, from non-free) or sudo ubuntu-drivers install (Ubuntu); "
        "version 580 or newer, for CUDA 13; then restart",
        drivers=("nvidia",),
        nodes=("nvidiactl",),
    ),
    Needs(
        *("NVIDIA", ("1414",), GPU, LINUX, ("cuda",), _CUDA),
        driver="install NVIDIA's driver in Windows, not in WSL; GPUs of others do not compute in WSL",
        nodes=("dxg",),
        only_with="dxgkrnl",  # others of Microsoft are screens of virtual machines
    ),
    Needs(
        *("AMD", ("1002",), GPU, LINUX, ("webgpu", "migraphx"), _WEBGPU),
        driver="sudo apt install firmware-amd-graphics (Debian, from non-free-firmware), then restart",
        drivers=("amdgpu",),
        nodes=("dri/renderD*",),
        library=_VULKAN,
    ),
    Needs(
        *("AMD", ("1022",), NPU, LINUX, ("vitisai",), NO_PROVIDER),
        driver="Linux 6.14 or newer has the driver amdxdna",
        drivers=("amdxdna",),
        nodes=("accel/accel*",),
    ),
    Needs(
        *("Intel", ("8086",), GPU, LINUX, ("openvino", "webgpu"), _OPENVINO),
        driver="the drivers i915 and xe are part of Linux: install a newer one, sudo apt full-upgrade",
        drivers=("i915", "xe"),
        nodes=("dri/renderD*",),
        library="sudo apt install intel-opencl-icd",
    ),
    Needs(
        *("Intel", ("8086",), NPU, LINUX, ("openvino",), _OPENVINO),
        driver="Linux 6.6 or newer has the driver intel_vpu; sudo apt install firmware-misc-nonfree (Debian)",
        drivers=("intel_vpu",),
        nodes=("accel/accel*",),
        library="install intel-level-zero-npu and intel-driver-compiler-npu of github.com/intel/linux-npu-driver",
    ),
    Needs(
        *("Qualcomm", ("17cb",), NPU, LINUX, ("qnn",), _QNN),
        driver="use the board maker's Linux, which has the driver fastrpc",
        drivers=("fastrpc",),
        nodes=("fastrpc-cdsp*",),
    ),
    Needs(
        *("a board", ("",), GPU, LINUX, ("webgpu",), _WEBGPU),
        driver="it is part of Linux",
        nodes=("dri/renderD*",),
        library=_VULKAN,
    ),
    Needs(
        *("NVIDIA", ("10de",), GPU, WINDOWS, ("nvtensorrtrtx", "cuda", "dml", "webgpu"), _WINDOWS_ML),
        driver="install the driver from nvidia.com/drivers",
    ),
    Needs(
        *("AMD", ("1002",), GPU, WINDOWS, ("migraphx", "dml", "webgpu"), _WINDOWS_ML),
        driver="install the driver from amd.com/support",
    ),
    Needs(
        *("AMD", ("1022",), NPU, WINDOWS, ("vitisai",), _WINDOWS_ML),
        driver="install the NPU's driver from amd.com/support",
    ),
    Needs(
        *("Intel", ("8086",), GPU, WINDOWS, ("openvino", "dml", "webgpu"), _WINDOWS_ML),
        driver="install the driver from intel.com/download-center",
    ),
    Needs(
        *("Intel", ("8086",), NPU, WINDOWS, ("openvino",), _WINDOWS_ML),
        driver="install the NPU's driver from intel.com/download-center, or by Windows Update",
    ),
    Needs(
        *("Qualcomm", ("17cb",), GPU, WINDOWS, ("qnn", "dml", "webgpu"), _WINDOWS_ML),
        driver="install the driver by Windows Update",
    ),
    Needs(
        *("Qualcomm", ("17cb",), NPU, WINDOWS, ("qnn",), _WINDOWS_ML),
        driver="install the NPU's driver by Windows Update",
    ),
    Needs(
        *("Apple", ("106b",), GPU, MACOS, ("webgpu",), _WEBGPU),
        driver="it is part of macOS",
    ),
)


def needs_of(device: SeenDevice, system: str) -> Needs | None:
    """Return what a device needs, None for one that computes nothing for us, as a virtual machine's screen."""
    return next((needs for needs in NEEDS if needs.are_of(device, system)), None)
