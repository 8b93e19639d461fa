"""What is said of the distributions of ONNX Runtime that are installed."""

import pytest

from jan_ort_backends import Available, Missing
from jan_ort_onnxruntime.providers.flavours import probe_flavours


@pytest.mark.parametrize(
    ("flavours", "reason", "remedy"),
    [
        ({}, None, None),
        ({"onnxruntime": "1.24.0"}, None, None),
        ({"onnxruntime-gpu": "1.100"}, None, None),
        ({"onnxruntime": "1.23.2"}, "onnxruntime 1.23.2 is older than 1.24", "pip install --upgrade"),
        (
            {"onnxruntime": "1.26.0", "onnxruntime-gpu": "1.26.0"},
            "2 flavours of onnxruntime are installed over one another: onnxruntime, onnxruntime-gpu",
            "pip uninstall -y onnxruntime onnxruntime-gpu",
        ),
    ],
)
def test_the_installed_flavours_are_judged(flavours: dict[str, str], reason: str | None, remedy: str | None) -> None:
    status = probe_flavours(flavours)

    if reason is None:
        assert isinstance(status, Available)
    else:
        assert isinstance(status, Missing)
        assert status.reason == reason
        assert remedy is not None
        assert status.remedy.startswith(remedy)
