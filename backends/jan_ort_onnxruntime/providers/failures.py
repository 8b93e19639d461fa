"""Turn ONNX Runtime's exceptions into the typed errors of the interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onnxruntime.capi import onnxruntime_pybind11_state as state

from jan_ort_backends import BackendError, Interrupted, ModelError, OutOfMemory
from jan_ort_backends.failure_text import message_line
from jan_ort_onnxruntime.providers.device_failures import device_failure

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


_LIMIT = 100_000
"""Far more than a message has: what tells its kind may stand anywhere in it."""


@contextmanager
def loading(model_path: Path) -> Iterator[None]:
    """Raise ModelError, OutOfMemory or DeviceLost for what ONNX Runtime raises while it loads ``model_path``."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(
            f"no memory for the weights of {model_path}; close other programs or take a smaller model"
        ) from error
    except ORT_ERRORS as error:
        message = message_line(error, _LIMIT)
        failure = device_failure(message)
        if isinstance(failure, OutOfMemory):
            raise OutOfMemory(f"no memory for the weights of {model_path}: {message}") from error
        if failure is not None:
            raise failure from error
        raise ModelError(
            f"{model_path} cannot be loaded: {message}; it must be an ONNX graph, with its model.onnx.data beside it "
            "if it has one: convert or download the model again"
        ) from error


@contextmanager
def allocating() -> Iterator[None]:
    """Raise typed errors for what ONNX Runtime raises while a device's memory is taken for the KV cache."""
    remedy = "take fewer slots or a smaller context length"
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
