"""Sizes that a graph leaves open are a configuration file's word: a wrong one is refused and named at the opening."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from jan_ort_backends import ModelError, OpenOptions, SlotTokens
from jan_ort_onnxruntime import backend
from jan_ort_onnxruntime.sessions.generation_session import GenerationSession
from tests.backends.onnxruntime.layout_folders import write_embedding_folder, write_folder
from tests.backends.onnxruntime.test_image_models import FIXTURES as IMAGE_MODELS


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
            if "model" in described:
                places = [described["model"], described["model"]["decoder"]]
            else:
                places = [described.get("text_config", described)]
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


def write_reranker(folder: Path) -> Path:
    """Write the recorded BERT with a score of the first token's vector as its only output."""
    write_embedding_folder(folder)
    path = folder / "onnx" / "model.onnx"
    model = onnx.load(path)
    (hidden,) = (output.name for output in model.graph.output)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(0), "jan_ort.first"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((32, 1), np.float32), "jan_ort.weight"))
    model.graph.node.append(onnx.helper.make_node("Gather", [hidden, "jan_ort.first"], ["jan_ort.vector"], axis=1))
    model.graph.node.append(onnx.helper.make_node("MatMul", ["jan_ort.vector", "jan_ort.weight"], ["logits"]))
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("logits", 1, ["batch", 1]))
    onnx.save(model, path)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    **{layout: partial(write_folder, layout, "llama") for layout in ("genai", "optimum", "merged")},
    "encoder": write_embedding_folder,
    "reranker": write_reranker,
    "images": lambda folder: Path(shutil.copytree(IMAGE_MODELS / "llava", folder)),
}
CACHE = "input past_key_values.0.key of its graph has"
WORDS = "the table embeddings.word_embeddings.weight of its graph has 300"


def answer(folder: Path) -> NDArray[np.float32]:
    session = backend.open(folder, OpenOptions())
    if session.info.embedding_size:
        return np.stack(session.embed([np.array([1, 2, 3])]))
    return session.step([SlotTokens(0, np.array([1, 2, 3]))]).logits


@pytest.mark.parametrize(
    ("layout", "key", "told"),
    [
        ("genai", "vocab_size", "genai_config.json, and output logits of its graph has 300"),
        ("genai", "num_key_value_heads", f"genai_config.json, and {CACHE} 2"),
        ("genai", "num_hidden_layers", "genai_config.json, and the cache of its graph has 2"),
        ("optimum", "vocab_size", "config.json, and output logits of its graph has 300"),
        ("optimum", "num_key_value_heads", f"config.json, and {CACHE} 2"),
        ("optimum", "head_dim", f"config.json, and {CACHE} 16"),
        ("optimum", "num_hidden_layers", "config.json, and the cache of its graph has 2"),
        ("merged", "vocab_size", "config.json, and output logits of its graph has 300"),
        ("merged", "num_key_value_heads", f"config.json, and {CACHE} 2"),
        ("encoder", "vocab_size", f"config.json, and {WORDS}"),
        ("encoder", "hidden_size", "config.json, and output last_hidden_state of its graph has 32"),
        ("reranker", "vocab_size", f"config.json, and {WORDS}"),
        ("images", "vocab_size", "config.json, and output logits of its graph has 552"),
        ("images", "head_dim", f"config.json, and {CACHE} 16"),
        ("images", "hidden_size", "config.json, and input inputs_embeds of its graph has 64"),
    ],
)
@pytest.mark.parametrize("value", [1, 7000])
def test_a_size_that_the_graph_contradicts_is_told_and_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, layout: str, key: str, told: str, value: int
) -> None:
    folder = MAKERS[layout](tmp_path / "folder")
    right = answer(folder)
    assert "of its graph has" not in caplog.text
    configure(folder, **{key: value})

    found = answer(folder)

    assert np.array_equal(found, right)
    assert f"{folder} states {key} {value} in {told}, which is used: correct the file" in caplog.text


def test_a_width_of_pooling_that_the_graph_contradicts_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_embedding_folder(tmp_path / "folder")
    pooling = {"pooling_mode_mean_tokens": True, "word_embedding_dimension": 768}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))

    answer(folder)

    assert "word_embedding_dimension 768 in 1_Pooling/config.json, and output last_hidden_state" in caplog.text


@pytest.mark.parametrize(
    ("layout", "output", "stated_size"),
    [("encoder", "last_hidden_state", "hidden_size 7"), ("reranker", "logits", "length of id2label 3")],
)
def test_a_wrong_width_that_the_graph_leaves_open_is_named(
    tmp_path: Path, layout: str, output: str, stated_size: str
) -> None:
    folder = MAKERS[layout](tmp_path / "folder")
    path = folder / "onnx" / "model.onnx"
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.shape.dim[-1].dim_param = "width"
    onnx.save(model, path)
    config = json.loads((folder / "config.json").read_text())
    stated = {"hidden_size": 7, "id2label": {"0": "no", "1": "yes", "2": "maybe"}}
    (folder / "config.json").write_text(json.dumps(config | stated))

    with pytest.raises(ModelError, match=rf"states, {stated_size}: output {output} has \d+ numbers, and not"):
        backend.open(folder, OpenOptions())


def test_a_token_that_the_stated_number_leaves_out_is_read_where_the_graph_has_it(tmp_path: Path) -> None:
    folder = write_embedding_folder(tmp_path / "folder")
    configure(folder, vocab_size=7)

    (vector,) = backend.open(folder, OpenOptions()).embed([np.array([200])])

    assert vector.shape == (32,)


@pytest.mark.parametrize("stated", [{"num_key_value_heads": 7}, {"num_key_value_heads": 1}, {"head_dim": 7}], ids=str)
@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_a_wrong_size_of_a_cache_that_concatenates_is_told_and_takes_no_speed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, architecture: str, stated: dict[str, int]
) -> None:
    """An empty cache may have any, and after that it has the graph's."""
    folder = write_folder("optimum", architecture, tmp_path / "folder")
    open_sizes(folder)
    right = backend.open(folder, OpenOptions()).step([SlotTokens(0, np.array([1, 2, 3]))]).logits
    assert "of its graph has" not in caplog.text
    configure(folder, **stated)

    session = backend.open(folder, OpenOptions())

    assert isinstance(session, GenerationSession)
    assert np.array_equal(session.step([SlotTokens(0, np.array([1, 2, 3]))]).logits, right)
    ((key, value),) = stated.items()
    assert f"states {key} {value} in config.json, and output present.0.key of its graph has" in caplog.text


@pytest.mark.parametrize(
    ("layout", "key", "told"),
    [
        ("genai", "context_length", "genai_config.json, and the table cos_cache"),
        ("gpt2", "n_positions", "config.json, and the table transformer.wpe.weight"),
        ("bert", "", "config.json, and the table embeddings.position_embeddings.weight"),
    ],
)
def test_a_context_ends_where_the_positions_of_a_graph_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, layout: str, key: str, told: str
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
    assert f"4096 in {told} of its graph has {length}, which is used" in caplog.text
    assert len(session.embed([token_ids]) if layout == "bert" else session.step([SlotTokens(0, token_ids)]).logits) == 1
    with pytest.raises(ModelError, match="4096"):
        backend.open(folder, OpenOptions(context_length=4096))
