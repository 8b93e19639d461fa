"""Which file of a folder is the model, and why a folder is declined."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
pytest.importorskip("jan_ort_llama_cpp.descriptor", reason="jan-ort-llama-cpp is not installed")

from jan_ort_llama_cpp.gguf_path import find_gguf, weights_hash

from jan_ort_backends import Accepts, Declines, ModelError, OpenOptions
from jan_ort_llama_cpp import backend


def write(path: Path, content: bytes = b"GGUF") -> Path:
    path.write_bytes(content)
    return path


def test_the_only_file_is_the_model(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gguf")

    assert find_gguf(tmp_path) == path
    assert find_gguf(path) == path
    assert backend.accepts(tmp_path) == Accepts()


def test_of_a_split_model_the_first_part_is_opened_and_all_are_hashed(tmp_path: Path) -> None:
    first = write(tmp_path / "a-00001-of-00002.gguf")
    second = write(tmp_path / "a-00002-of-00002.gguf")
    before = weights_hash(find_gguf(tmp_path))

    write(second, b"GGUF, other")

    assert find_gguf(tmp_path) == first
    assert weights_hash(first) != before


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "has no .gguf file; give a folder that holds one"),
        ({"model.onnx": b""}, "has no .gguf file; a GGUF file is not converted with --weights as-is"),
        ({"a.gguf": b"GGUF", "b.gguf": b"GGUF"}, "has 2 models: a.gguf, b.gguf"),
        ({"a.gguf": b"<html>"}, "is not a GGUF file"),
        ({"a.gguf": b""}, "is not a GGUF file"),
    ],
)
def test_anything_else_is_declined_with_its_reason(tmp_path: Path, files: dict[str, bytes], reason: str) -> None:
    for name, content in files.items():
        write(tmp_path / name, content)

    answer = backend.accepts(tmp_path)

    assert isinstance(answer, Declines)
    assert reason in answer.reason


def test_a_damaged_file_is_a_model_error_with_llama_cpps_reason(tmp_path: Path) -> None:
    write(tmp_path / "a.gguf", b"GGUF" + b"\x03\x00\x00\x00" + b"\xff" * 64)

    with pytest.raises(ModelError, match=r"a\.gguf cannot be loaded: .+; download it again"):
        backend.open(tmp_path, OpenOptions())


@pytest.mark.parametrize("extra", [{"num_threads": "0"}, {"num_threads": "two"}, {"num_gpu_layers": "-2"}])
def test_wrong_options_are_refused_by_name(tiny_folder: Path, extra: dict[str, str]) -> None:
    with pytest.raises(ModelError, match=next(iter(extra))):
        backend.open(tiny_folder, OpenOptions(num_slots=1, extra=extra))
