"""Split GGUF files are read by their first part; parts that do not fit, and files that are no models, are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gguf import GGMLQuantizationType as Type

from jan_ort.convert import check_gguf, convert_gguf
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.ground.model_errors import ConversionError, ModelReferenceError
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known
from jan_ort.models.sources.gguf import GgufSource
from tests.cli.commands.running import last_error, run
from tests.convert.tiny_llama import TinyLlama

NO_MODELS: list[tuple[dict[str, Any], str]] = [
    ({"general.type": "adapter", "adapter.type": "lora"}, r"it is a LoRA adapter, .* llama-export-lora"),
    ({"general.type": "mmproj"}, r"reads images or sound \(mmproj\); name the model's own file"),
    ({"general.architecture": "clip"}, r"reads images or sound \(mmproj\)"),
    ({"general.type": "imatrix"}, "an importance matrix"),
    ({"general.architecture": "mamba"}, "architecture 'mamba' .* ONNX repository .*--weights as-is"),
    ({"tokenizer.ggml.model": "rwkv"}, "tokenizer model 'rwkv' is not supported"),
]


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    TinyLlama(Type.Q4_1, split_tensors=8).write(tmp_path / "tiny.gguf")
    return sorted(tmp_path.glob("tiny-*.gguf"))


def test_a_split_file_converts_like_the_whole_one(parts: list[Path], tmp_path: Path) -> None:
    whole = TinyLlama(Type.Q4_1).write(tmp_path / "whole.gguf")
    targets = [tmp_path / name for name in ("split", "joined")]
    for source, target in zip((parts[0], whole), targets, strict=True):
        target.mkdir()
        convert_gguf(source, target, weights="int4")

    assert (targets[0] / "model.onnx.data").read_bytes() == (targets[1] / "model.onnx.data").read_bytes()
    assert GgufFile(parts[0]).size_bytes == sum(part.stat().st_size for part in parts)


def test_a_folder_of_parts_is_one_model(parts: list[Path], tmp_path: Path) -> None:
    assert find_source(str(tmp_path), Known()) == GgufSource(parts[0])


def test_another_part_names_the_first(parts: list[Path]) -> None:
    with pytest.raises(ModelReferenceError, match=r"is part 2 of 3 of a GGUF file; name the first, .*00001-of-00003"):
        find_source(str(parts[1]), Known())


def test_a_missing_part_is_named(parts: list[Path]) -> None:
    parts[2].unlink()

    with pytest.raises(ModelReferenceError, match=r"first of 3 parts, and 1 are not beside it: tiny-00003-of-00003"):
        find_source(str(parts[0]), Known())


def test_a_part_that_was_renamed_is_refused_with_the_remedy(parts: list[Path], tmp_path: Path) -> None:
    renamed = parts[0].rename(tmp_path / "model.gguf")

    with pytest.raises(ConversionError, match=r"it is part 1 of 3, and not named so; .*NAME-00001-of-00003\.gguf"):
        check_gguf(renamed, "int8")


def test_a_part_of_another_file_is_refused(parts: list[Path]) -> None:
    parts[1].write_bytes(parts[2].read_bytes())

    with pytest.raises(ConversionError, match=r"by its name it is part 2 of 3, and its header says 3 of 3"):
        check_gguf(parts[0], "as-is")


def test_parts_of_two_files_are_refused_if_a_tensor_is_lost(parts: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    TinyLlama(Type.Q4_1, split_tensors=9).write(other / "tiny.gguf")
    parts[2].write_bytes((other / parts[2].name).read_bytes())

    with pytest.raises(ConversionError, match=r"all parts should have 20 tensors together, and have 18; they belong"):
        check_gguf(parts[0], "int8")


@pytest.mark.parametrize("value", [[1, 2], "3", True], ids=str)
def test_a_header_that_says_something_else_of_its_parts_is_refused(value: object, tmp_path: Path) -> None:
    source = TinyLlama(metadata={"split.count": value, "split.no": value}).write(tmp_path / "odd.gguf")

    with pytest.raises(ConversionError, match="odd"):
        check_gguf(source, "int8")


@pytest.mark.parametrize(("metadata", "message"), NO_MODELS, ids=lambda value: str(value)[:40])
def test_what_cannot_be_served_is_refused_before_anything_is_listened_on(
    metadata: dict[str, Any], message: str, tmp_path: Path
) -> None:
    source = TinyLlama(metadata=metadata).write(tmp_path / "odd.gguf")

    with pytest.raises(ConversionError, match=message):
        check_gguf(source, "int8")
    result = run("serve", "--model", str(source), "--cache-dir", str(tmp_path / "cache"), "--port", "1")

    assert result.exit_code == 1
    assert "odd.gguf" in last_error(result)
    assert not (tmp_path / "cache").exists()


def test_a_file_without_weights_is_a_vocabulary(tmp_path: Path) -> None:
    model = TinyLlama()
    model.tensors = {}
    source = model.write(tmp_path / "vocabulary.gguf")

    with pytest.raises(ConversionError, match="a vocabulary without weights"):
        check_gguf(source, "int8")
