"""What is missing of a model that reads images, or not read of one, is named before anything is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jan_ort_backends import Declines, ModelError, OpenOptions
from jan_ort_onnxruntime import backend
from tests.backends.onnxruntime.test_image_models import FIXTURES, MODELS


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("onnx/vision_encoder.onnx", "there is no onnx/vision_encoder.onnx, nor a variant"),
        ("onnx/embed_tokens.onnx", "there is no onnx/embed_tokens.onnx"),
        ("onnx/decoder_model_merged.onnx", "decoder_model_merged.onnx"),
        ("tokenizer.json", "lacks tokenizer.json"),
        ("config.json", "lacks config.json"),
        ("processor_config.json", "has no preprocessor_config.json"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_loaded(tmp_path: Path, name: str, gone: str, told: str) -> None:
    folder = Path(shutil.copytree(FIXTURES / name, tmp_path / "model"))
    (folder / gone).unlink()

    answer = backend.accepts(folder)

    assert isinstance(answer, Declines)
    assert told in answer.reason
    with pytest.raises(ModelError, match=told):
        backend.open(folder, OpenOptions())


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("qwen2_5_vl", "take Qwen2.5-VL as onnx-community publishes it"),
        ("gemma3", "take Gemma 3 as onnx-community publishes it"),
        ("phi3v", "no other layout of this model is supported"),
        ("phi4mm", "no other layout of this model is supported"),
    ],
)
def test_a_package_of_genai_is_told_by_name(tmp_path: Path, kind: str, told: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(FIXTURES / "llava" / "onnx" / "decoder_model_merged.onnx", folder / "text.onnx")
    sizes = {"num_key_value_heads": 2, "head_size": 16, "hidden_size": 64}
    graphs = {part: {"filename": f"{part}.onnx"} for part in ("vision", "embedding")}
    model = {
        "type": kind,
        "vocab_size": 552,
        "context_length": 64,
        "decoder": {"filename": "text.onnx"} | sizes,
    } | graphs
    (folder / "genai_config.json").write_text(json.dumps({"model": model}))
    (folder / "vision.onnx").touch()

    answer = backend.accepts(folder)

    assert isinstance(answer, Declines)
    assert f"onnxruntime-genai's package of a '{kind}', whose vision, embedding graphs are not read" in answer.reason
    assert "(and embedding.onnx is missing)" in answer.reason
    assert told in answer.reason


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("strange_vl", "images of a 'strange_vl' are not read; those of idefics3, smolvlm, llava, "),
        ("paligemma", "images of a 'paligemma' are not read: it looks at a whole prompt both ways"),
    ],
)
def test_a_kind_whose_images_are_not_read_is_named(tmp_path: Path, kind: str, told: str) -> None:
    folder = Path(shutil.copytree(FIXTURES / "llava", tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text()) | {"model_type": kind}
    (folder / "config.json").write_text(json.dumps(config))

    answer = backend.accepts(folder)

    assert isinstance(answer, Declines)
    assert told in answer.reason


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"image_newline": [0.5]}, "image_newline must be 64 numbers"),
        ({"image_newline": ["a"] * 64}, "image_newline must be 64 numbers"),
        ({"vision_aspect_ratio": "square"}, "vision_aspect_ratio is 'square'"),
        ({"image_grid_pinpoints": [[32, 40]]}, "whole tiles of 32 pixels"),
        ({"image_grid_pinpoints": 3}, "image_grid_pinpoints are 3"),
    ],
)
def test_sizes_that_cannot_be_are_named(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    folder = Path(shutil.copytree(FIXTURES / "llava_onevision", tmp_path / "model"))
    for name in ("config.json", "processor_config.json"):
        said = json.loads((folder / name).read_text()) | changed
        if "image_processor" in said:
            said["image_processor"] |= changed
        (folder / name).write_text(json.dumps(said))

    answer = backend.accepts(folder)

    assert isinstance(answer, Declines)
    assert told in answer.reason


def test_a_decoder_without_three_axes_is_named(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "llava", tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "qwen2_vl"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": {"patch_size": 14}}))

    answer = backend.accepts(folder)

    assert isinstance(answer, Declines)
    assert "takes no position_ids of three axes" in answer.reason


def test_cutting_images_for_gemma_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "gemma3", tmp_path / "model"))
    said = json.loads((folder / "processor_config.json").read_text())
    said["image_processor"]["do_pan_and_scan"] = True
    (folder / "processor_config.json").write_text(json.dumps(said))

    answer = backend.accepts(folder)

    assert isinstance(answer, Declines)
    assert "do_pan_and_scan, which cuts images, is not done; set it to false" in answer.reason
