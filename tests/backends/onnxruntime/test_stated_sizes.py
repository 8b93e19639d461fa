"""Sizes that a graph leaves open are a configuration file's word: a wrong one is refused and named at the opening."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from jan_ort_backends import ModelError, OpenOptions, SlotTokens
from jan_ort_onnxruntime import backend
from tests.backends.onnxruntime.layout_folders import write_folder


def open_sizes(folder: Path) -> None:
    """Leave open how many heads the cache has, of which size, and how many tokens there are."""
    path = next(folder.rglob("model.onnx"))
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        axes = (1, 3) if "past" in value.name or "present" in value.name else (2,) if value.name == "logits" else ()
        for axis in axes:
            value.type.tensor_type.shape.dim[axis].dim_param = f"size_{axis}"
    onnx.save(model, path)


def configure(folder: Path, **sizes: int) -> None:
    for name in ("genai_config.json", "config.json"):
        if (path := folder / name).is_file():
            described = json.loads(path.read_text())
            places = [described["model"], described["model"]["decoder"]] if "model" in described else [described]
            for place in places:
                place |= sizes
            path.write_text(json.dumps(described))


@pytest.fixture(params=["genai", "optimum"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = write_folder(request.param, "llama", tmp_path / "folder")
    open_sizes(folder)
    return folder


def test_right_sizes_are_taken_from_the_configuration(folder: Path) -> None:
    session = backend.open(folder, OpenOptions())

    assert session.step([SlotTokens(0, np.array([1, 2, 3]))]).logits.shape == (1, 300)


@pytest.mark.parametrize("name", ["vocab_size", "num_key_value_heads", "head_size"])
def test_a_wrong_size_is_named(tmp_path: Path, name: str) -> None:
    folder = write_folder("genai", "llama", tmp_path / "folder")
    open_sizes(folder)
    configure(folder, **{name: 7})

    with pytest.raises(ModelError) as refused:
        backend.open(folder, OpenOptions(extra={"provider": "cpu"}))

    assert f"{name} 7" in str(refused.value)
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("vocab_size", [1, 2, 77, 150, 299, 301, 600])
@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_a_wrong_number_of_tokens_is_named_of_a_graph_that_concatenates(
    tmp_path: Path, architecture: str, vocab_size: int
) -> None:
    folder = write_folder("optimum", architecture, tmp_path / "folder")
    open_sizes(folder)
    configure(folder, vocab_size=vocab_size)

    with pytest.raises(ModelError, match=f"vocab_size {vocab_size}.*has 300 numbers"):
        backend.open(folder, OpenOptions())
