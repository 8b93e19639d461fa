"""A session that stands for any graph's, opened on the fake's providers."""

from __future__ import annotations

from pathlib import Path

from jan_ort_backends import DeviceReport
from jan_ort_backends.reference import ReferenceSession
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.providers.proven_opening import open_proven
from jan_ort_onnxruntime.session_settings import SessionSettings
from tests.backends.onnxruntime.providers.fake_onnxruntime import FakeRuntime


class Opened(ReferenceSession):
    """A working session that remembers where it was told it runs."""

    def __init__(self, device: DeviceReport, num_slots: int = 1) -> None:
        super().__init__(num_slots, 16)
        self.device = device


def opened(runtime: FakeRuntime, graph: Path, provider: str = "auto", *, strict: bool = False) -> DeviceReport:
    settings = SessionSettings(1, provider=provider, strict=strict)
    session = open_proven(OnnxFile.read(graph), settings, lambda _, device: Opened(device), runtime=runtime)
    assert isinstance(session, Opened)
    return session.device
