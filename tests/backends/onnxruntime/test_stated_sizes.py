"""Sizes that a graph leaves open are a configuration file's word: a wrong one is refused and named at the opening."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from jan_ort_backends import ModelError, OpenOptions, SlotTokens
from jan_ort_onnxruntime import backend
from tests.backends.onnxruntime.layout_folders import write_embedding_folder, write_folder


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


@pytest.mark.parametrize(
    ("layout", "stated"),
    [
        ("genai", {"vocab_size": 7}),
        ("genai", {"num_key_value_heads": 7}),
        ("optimum", {"vocab_size": 600}),
        ("optimum", {"num_key_value_heads": 7}),
        ("optimum", {"head_dim": 7}),
    ],
    ids=str,
)
def test_a_size_that_the_graph_contradicts_is_told_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, layout: str, stated: dict[str, int]
) -> None:
    folder = write_folder(layout, "llama", tmp_path / "folder")
    right = backend.open(folder, OpenOptions()).step([SlotTokens(0, np.array([1, 2, 3]))]).logits
    assert "and its graph has" not in caplog.text
    configure(folder, **stated)

    session = backend.open(folder, OpenOptions())

    assert np.array_equal(session.step([SlotTokens(0, np.array([1, 2, 3]))]).logits, right)
    ((name, value),) = stated.items()
    assert f"states a {name} of {value}, and its graph has" in caplog.text


@pytest.mark.parametrize("name", ["num_key_value_heads", "head_dim"])
def test_a_wrong_size_that_makes_a_graph_slow_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    folder = write_folder("optimum", "llama", tmp_path / "folder")
    open_sizes(folder)
    configure(folder, **{name: 7})

    with caplog.at_level("INFO"):
        backend.open(folder, OpenOptions())

    assert f"{name.replace('head_dim', 'head_size')} 7" in caplog.text


@pytest.mark.parametrize(("layout", "key"), [("genai", "context_length"), ("gpt2", "n_positions"), ("bert", "")])
def test_a_context_ends_where_the_positions_of_a_graph_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, layout: str, key: str
) -> None:
    """A longer one would fail at the first long prompt."""
    folder = tmp_path / "folder"
    if layout == "bert":
        write_embedding_folder(folder)
        (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 4096}')
        configure(folder, max_position_embeddings=4096)
    else:
        write_folder("genai" if layout == "genai" else "optimum", "llama" if layout == "genai" else "gpt2", folder)
        configure(folder, **{key: 4096})

    session = backend.open(folder, OpenOptions())

    length = session.info.context_length
    token_ids = np.arange(length) % 200
    assert length < 4096
    assert f"context length of 4096, and its graph has {length}" in caplog.text
    assert len(session.embed([token_ids]) if layout == "bert" else session.step([SlotTokens(0, token_ids)]).logits) == 1
    with pytest.raises(ModelError, match="4096"):
        backend.open(folder, OpenOptions(context_length=4096))
