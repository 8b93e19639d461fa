"""What identifies the weights of a folder whose files do not name their source."""

from pathlib import Path

import pytest

from jan_ort_backends import file_samples
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder
from tests.backends.onnxruntime.layout_folders import write_folder


def test_the_weights_hash_follows_the_tensors_wherever_they_are(tmp_path: Path) -> None:
    first = weights_hash_of(tmp_path)
    (weights,) = (tmp_path / "folder").glob("*.data")

    weights.write_bytes(weights.read_bytes()[:-4] + bytes(4))

    assert OnnxFolder.read(tmp_path / "folder").weights_hash != first


def weights_hash_of(root: Path) -> str:
    return OnnxFolder.read(write_folder("genai", "llama", root / "folder")).weights_hash


def test_a_large_file_is_told_from_another_by_pieces_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_samples, "_WHOLE_BYTES", 2**16)
    monkeypatch.setattr(file_samples, "_SAMPLE_BYTES", 2**6)
    monkeypatch.setattr(file_samples, "_NUM_SAMPLES", 2**8)
    first = weights_hash_of(tmp_path)
    (weights,) = (tmp_path / "folder").glob("*.data")
    stored = weights.read_bytes()
    middle = len(stored) // 2

    weights.write_bytes(stored[:middle] + bytes(4096) + stored[middle + 4096 :])

    assert len(stored) > 2**16
    assert OnnxFolder.read(tmp_path / "folder").weights_hash != first
