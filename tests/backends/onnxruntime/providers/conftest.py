"""A graph that every provider runs, and provider libraries that are and are not sound."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from jan_ort_onnxruntime.providers import provider_devices


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A graph of one operator that every provider has."""
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "ab"]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", values[:1], values[1:])), tmp_path / "g.onnx")
    return tmp_path / "g.onnx"


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed provider libraries: one is sound, one broken, one raises, and one does not say what it brings."""
    for name, code in {
        "sound": 'get_library_path = lambda: "sound"\nget_ep_names = lambda: ["SoundExecutionProvider"]',
        "broken": 'get_library_path = lambda: "broken"\nget_ep_names = lambda: ["BrokenExecutionProvider"]',
        "raising": 'raise ImportError("no driver")',
        "nameless": 'get_library_path = lambda: "nameless"',
    }.items():
        (tmp_path / f"onnxruntime_ep_{name}.py").write_text(code)
        info = tmp_path / f"onnxruntime_ep_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: onnxruntime-ep-{name}\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(provider_devices, "_registrations", {})
