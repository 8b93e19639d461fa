"""What messages of ONNX Runtime mean: recorded from its issue tracker, abridged."""

import pytest

from jan_ort_backends import DeviceLost, OutOfMemory
from jan_ort_onnxruntime.providers.runtime_failures import device_failure


@pytest.mark.parametrize(
    ("message", "recoverable"),
    [
        # microsoft/onnxruntime issue 22700
        (
            "[ONNXRuntimeError] : 1 : FAIL : ExecutionProvider.cpp(962): (caller: 00007FFABA30B740) Exception(3) "
            "tid(5a68) 887A0005 The GPU device instance has been suspended. Use GetDeviceRemovedReason",
            True,
        ),
        # pull request 28495
        ("DmlGraphFusionHelper.cpp(1078) 887A0006 The GPU will not respond to more commands", True),
        # issue 26312 and others: the process cannot use CUDA again
        ("CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=cudaMemcpy(...)", False),
        ("CUDA failure 100: no CUDA-capable device is detected ; GPU=-1", True),
    ],
)
def test_a_lost_device_is_told_from_other_failures(message: str, recoverable: bool) -> None:
    failure = device_failure(message)

    assert isinstance(failure, DeviceLost)
    assert failure.recoverable is recoverable
    assert message in str(failure)


@pytest.mark.parametrize(
    "message",
    [
        "CUDA failure 2: out of memory ; GPU=0 ; expr=cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);",
        "bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4194304",
        "8007000E Not enough memory resources are available to complete this operation.",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
    ],
)
def test_exhausted_memory_is_no_lost_device(message: str) -> None:
    assert isinstance(device_failure(message), OutOfMemory)


@pytest.mark.parametrize("message", ["CUDA failure 1: invalid argument", "Non-zero status code returned while running"])
def test_other_failures_are_about_no_device(message: str) -> None:
    assert device_failure(message) is None
