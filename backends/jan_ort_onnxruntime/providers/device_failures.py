"""What a device's own errors mean, read from the messages that ONNX Runtime passes on: memory, or the device is gone.

Sources: DirectX's DXGI_ERROR codes; the CUDA runtime's cudaError values, of which some leave the process unable to
use the device again ("the process must be terminated and relaunched").
"""

from __future__ import annotations

import re

from jan_ort_backends import DeviceLost, OutOfMemory

_OUT_OF_MEMORY = (
    "failed to allocate memory",
    "bad_alloc",
    "out of memory",
    "bad allocation",
    "8007000e",  # E_OUTOFMEMORY, as DirectML passes it on
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)

_DXGI_ERRORS = {
    "887a0005": "DXGI_ERROR_DEVICE_REMOVED",
    "887a0006": "DXGI_ERROR_DEVICE_HUNG",
    "887a0007": "DXGI_ERROR_DEVICE_RESET",
    "887a0020": "DXGI_ERROR_DRIVER_INTERNAL_ERROR",
}
"""After these the device and all that was made with it must be released, and may then be made anew."""

_CUDA_FAILURE = re.compile(r"cuda (?:failure|error) (\d+)", re.IGNORECASE)
_CUDA_GONE = frozenset({46, 100, 101, 802})  # unavailable, none, invalid, not ready
_CUDA_BROKEN_PROCESS = frozenset({214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719})


def device_failure(message: str) -> OutOfMemory | DeviceLost | None:
    """Return the typed error that a one-line message of ONNX Runtime stands for, None if it is about no device."""
    lowered = message.lower()
    if any(phrase in lowered for phrase in _OUT_OF_MEMORY):
        return OutOfMemory(message)
    for code, name in _DXGI_ERRORS.items():
        if code in lowered or name.lower() in lowered:
            return DeviceLost(f"the GPU was lost ({name}): {message}", recoverable=True)
    codes = {int(code) for code in _CUDA_FAILURE.findall(message)}
    if codes & _CUDA_BROKEN_PROCESS:
        return DeviceLost(
            f"the GPU was lost, and CUDA cannot use it again in this process; restart the server: {message}",
            recoverable=False,
        )
    if codes & _CUDA_GONE or "device lost" in lowered or "device removed" in lowered:
        return DeviceLost(f"the GPU was lost: {message}", recoverable=True)
    return None
