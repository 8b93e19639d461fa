"""Turn ONNX Runtime's exceptions into the typed errors of the interface.

What a device's own errors mean is read from the messages that ONNX Runtime passes on. Sources: DirectX's DXGI_ERROR
codes; the CUDA runtime's cudaError values, of which some leave the process unable to use the device again ("the process
must be terminated and relaunched").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from jan_ort_backends import BackendError, DeviceLost, Interrupted, ModelError, OutOfMemory
from jan_ort_backends.failure_text import message_line

ORT_ERRORS: tuple[type[Exception], ...] = (
    state.EngineError,
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.ModelLoaded,
    state.NoModel,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
    RuntimeError,  # what run_with_iobinding raises
)
"""What onnxruntime raises; its classes have no common base but Exception."""

_ABOUT_THE_FILE = (state.InvalidGraph, state.InvalidProtobuf, state.ModelLoaded, state.NoModel, state.NoSuchFile)
"""Those that no provider raises."""

_NEWER_GRAPH = re.compile(
    r"Unrecognized attribute: \w+ for operator|No Op registered for|is not a registered function/op"
    r"|Unsupported model IR version|Opset \d+ is under development"
)
"""What is said of a graph that is written for a newer onnxruntime, by the file's reader whatever the provider."""

_LIMIT = 100_000
"""Far more than a message has: what tells its kind may stand anywhere in it."""

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


@contextmanager
def loading(model_path: Path, provider: str | None = None, remedy: str = "") -> Iterator[None]:
    """Raise ModelError, OutOfMemory or DeviceLost for what ONNX Runtime raises while it loads ``model_path``.

    ``provider``: one that is not the CPU, to which an error that is not about the file belongs, and what to do then.
    """
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(
            f"no memory for the weights of {model_path}; close other programs or use a smaller model"
        ) from error
    except ORT_ERRORS as error:
        failure, message = device_failure(message_line(error, _LIMIT)), message_line(error)
        if isinstance(failure, OutOfMemory):
            raise OutOfMemory(f"no memory for the weights of {model_path}: {message}") from error
        if failure is not None:
            raise failure from error
        if _NEWER_GRAPH.search(message_line(error, _LIMIT)):
            raise ModelError(
                f"{model_path} is written for a newer onnxruntime than {onnxruntime.__version__}: {message}; upgrade "
                "it, or convert the model with --weights fp16, whose operators are older"
            ) from error
        if provider is not None and not isinstance(error, _ABOUT_THE_FILE):
            raise ModelError(f"{provider} cannot open {model_path}: {message}; {remedy}") from error
        raise ModelError(
            f"{model_path} cannot be loaded: {message}; it must be an ONNX graph, with its model.onnx.data beside it "
            "if it has one: convert or download the model again"
        ) from error


@contextmanager
def allocating() -> Iterator[None]:
    """Raise typed errors for what ONNX Runtime raises while a device's memory is taken for the KV cache."""
    remedy = "use fewer slots or a smaller context length"
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(f"no memory for the KV cache; {remedy}") from error
    except ORT_ERRORS as error:
        message = message_line(error, _LIMIT)
        failure = device_failure(message)
        if isinstance(failure, OutOfMemory):
            raise OutOfMemory(f"no memory for the KV cache: {message}; {remedy}") from error
        raise failure or BackendError(f"the KV cache cannot be kept on the device: {message}") from error


@contextmanager
def running() -> Iterator[None]:
    """Raise typed errors for what ONNX Runtime raises while a graph runs."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory("no memory for a step; use a smaller batch, chunk or context length") from error
    except ORT_ERRORS as error:
        message = message_line(error, _LIMIT)
        if "terminate flag" in message:
            raise Interrupted("the step was interrupted") from error
        failure = device_failure(message)
        if isinstance(failure, OutOfMemory):
            raise OutOfMemory(f"no memory for a step: {message}; use a smaller batch or chunk") from error
        if failure is not None:
            raise failure from error
        raise BackendError(f"the graph failed: {message}") from error


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
