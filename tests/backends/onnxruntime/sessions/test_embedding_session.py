"""Encoders whose graph leaves pooling to us, against vectors that torch's hidden states give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from jan_ort_backends import Accepts, Declines, ModelError, OpenOptions, check_session
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.backends.onnxruntime.layout_folders import FIXTURES, write_embedding_folder


def golden(part: str) -> list[NDArray[np.generic]]:
    recorded = np.load(FIXTURES / "bert" / "golden.npz")
    return [recorded[f"{part}_{index}"] for index in range(3)]


def embed(folder: Path, **options: str) -> NDArray[np.float32]:
    backend = OnnxRuntimeBackend()
    session = backend.open(folder, OpenOptions(extra=options))
    check_session(backend, session)
    return session.embed(golden("token_ids"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("mean_tokens", lambda hidden: hidden.mean(axis=0)),
        ("cls_token", lambda hidden: hidden[0]),
        ("max_tokens", lambda hidden: hidden.max(axis=0)),
        ("lasttoken", lambda hidden: hidden[-1]),
    ],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_are_pooled_as_the_folder_says(tmp_path: Path, pooling: str, pool: object, normalize: bool) -> None:
    folder = write_embedding_folder(tmp_path / "folder", pooling=pooling, normalize=normalize)
    expected = np.stack([pool(hidden) for hidden in golden("hidden")])  # type: ignore[operator]
    if normalize:
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)

    vectors = embed(folder)

    assert_allclose(vectors, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "old_key"),
    [("mean", "mean_tokens"), ("cls", "cls_token"), ("max", "max_tokens"), ("lasttoken", "lasttoken")],
)
def test_the_spelling_of_a_newer_sentence_transformers_means_the_same(tmp_path: Path, mode: str, old_key: str) -> None:
    old, new = (write_embedding_folder(tmp_path / name, pooling=old_key) for name in ("old", "new"))
    (new / "1_Pooling").rename(new / "2_Pool")
    (new / "2_Pool" / "config.json").write_text(json.dumps({"pooling_mode": mode, "include_prompt": True}))
    module = "sentence_transformers.sentence_transformer.modules"
    types = (("", "Transformer"), ("2_Pool", "Pooling"), ("3_Normalize", "Normalize"))
    (new / "modules.json").write_text(json.dumps([{"path": path, "type": f"{module}.{kind}"} for path, kind in types]))

    assert_allclose(embed(new), embed(old), rtol=0, atol=0)


def test_a_bare_encoder_takes_its_vocabulary_from_the_tokenizer(tmp_path: Path) -> None:
    folder = write_embedding_folder(tmp_path / "folder")
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in (folder / "onnx" / "model.onnx", folder / "tokenizer.json"):
        (bare / path.name).write_bytes(path.read_bytes())
    (bare / "jan_ort.json").write_text('{"format": 1, "task": "embed", "context_length": 32}')

    assert_allclose(embed(bare, pooling="mean"), embed(folder), rtol=0, atol=0)


def test_a_bare_encoder_pools_as_it_is_told_and_normalises(tmp_path: Path) -> None:
    expected = embed(write_embedding_folder(tmp_path / "folder"))
    for path in ("modules.json", "1_Pooling/config.json"):
        (tmp_path / "folder" / path).unlink()
    (tmp_path / "folder" / "1_Pooling").rmdir()

    with pytest.raises(ModelError, match=r"does not say how .* --pooling mean, cls, max or last"):
        embed(tmp_path / "folder")
    assert_allclose(embed(tmp_path / "folder", pooling="mean"), expected, rtol=0, atol=0)
    with pytest.raises(ModelError, match="option pooling is 'median'; give mean, cls, max or last"):
        embed(tmp_path / "folder", pooling="median")


@pytest.mark.parametrize(
    ("config", "folder_name", "mode"),
    [
        ({"_name_or_path": "BAAI/bge-small-en-v1.5"}, "folder", "cls"),
        ({}, "bge-base-en-v1.5", "cls"),
        ({"_name_or_path": "sentence-transformers/all-MiniLM-L6-v2"}, "bge-base", "mean"),
        ({"_name_or_path": "Snowflake/snowflake-arctic-embed-m"}, "folder", "cls"),
        ({"_name_or_path": "intfloat/multilingual-e5-small"}, "folder", "mean"),
        ({}, "models--BAAI--bge-small-en-v1.5/snapshots/0123abc", "cls"),
    ],
)
def test_a_bare_encoder_of_a_family_pools_as_that_does(
    tmp_path: Path, config: dict[str, str], folder_name: str, mode: str
) -> None:
    folder = write_embedding_folder(tmp_path / "folder")
    for path in ("modules.json", "1_Pooling/config.json"):
        (folder / path).unlink()
    (folder / "1_Pooling").rmdir()
    expected = embed(folder, pooling=mode)
    stated = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(stated | config))

    (tmp_path / folder_name).parent.mkdir(parents=True, exist_ok=True)
    assert_allclose(embed(folder.rename(tmp_path / folder_name)), expected, rtol=0, atol=0)


def test_positions_are_given_to_a_graph_that_asks_for_them(tmp_path: Path) -> None:
    folder = write_embedding_folder(tmp_path / "folder", pooling="lasttoken", normalize=False)
    expected = embed(folder) + [[len(token_ids) - 1] for token_ids in golden("token_ids")]
    path = folder / "onnx" / "model.onnx"
    model = onnx.load(path)
    model.graph.input.append(onnx.helper.make_tensor_value_info("position_ids", onnx.TensorProto.INT64, ["b", "s"]))
    axes = onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [2])
    model.graph.initializer.append(axes)
    (found,) = (each for each in model.graph.output if each.name == "last_hidden_state")
    for node in model.graph.node:
        node.output[:] = ["inner" if name == found.name else name for name in node.output]
    model.graph.node.extend(
        [
            onnx.helper.make_node("Cast", ["position_ids"], ["places"], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Unsqueeze", ["places", "axes"], ["column"]),
            onnx.helper.make_node("Add", ["inner", "column"], [found.name]),
        ]
    )
    onnx.save(model, path)

    assert_allclose(embed(folder), expected, rtol=0, atol=1e-5)


def add_pooled_output(folder: Path, name: str) -> None:
    """Pool in the graph; under another name than the usual one the vector is all that it returns."""
    path = folder / "onnx" / "model.onnx"
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node("ReduceMax", ["last_hidden_state"], [name], axes=[1], keepdims=0))
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 32]))
    if name != "sentence_embedding":
        model.graph.output.remove(model.graph.output[0])
    model.opset_import[0].version = 17
    onnx.save(model, path)


@pytest.mark.parametrize("name", ["sentence_embedding", "output_3"])
def test_a_vector_from_the_graph_itself_is_taken(tmp_path: Path, name: str) -> None:
    folder = write_embedding_folder(tmp_path / "folder")
    add_pooled_output(folder, name)

    vectors = embed(folder)

    assert vectors.shape == (3, 32)
    assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize("normalizes", [True, False])
def test_modules_that_the_graph_has_are_not_asked_of_us(tmp_path: Path, normalizes: bool) -> None:
    """As optimum exports EmbeddingGemma or LaBSE: with their Dense and whatever way of pooling."""
    folder = write_embedding_folder(tmp_path / "folder")
    add_pooled_output(folder, "sentence_embedding")
    modules = ["Transformer", "Pooling", "Dense", *(["Normalize"] if normalizes else [])]
    listed = [{"type": f"sentence_transformers.models.{name}", "path": ""} for name in modules]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_weightedmean_tokens": true}')

    lengths = np.linalg.norm(embed(folder), axis=1)

    assert np.allclose(lengths, 1) is normalizes


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("modules.json", '[{"type": "sentence_transformers.models.Dense"}]', "has a module Dense"),
        ("modules.json", "{}", "holds no JSON array"),
        ("modules.json", "[", "is not valid JSON"),
        ("1_Pooling/config.json", '{"pooling_mode_weightedmean_tokens": true}', "weightedmean_tokens"),
        ("1_Pooling/config.json", '{"pooling_mode": "weightedmean"}', "asks for weightedmean"),
        ("1_Pooling/config.json", '{"include_prompt": true}', "asks for no pooling"),
        ("1_Pooling/config.json", '{"pooling_mode": "mean", "include_prompt": false}', "include_prompt false is not"),
        ("modules.json", '[{"idx": 0}]', "has a module without a type"),
        ("config.json", '{"vocab_size": 64}', "does not say its context length"),
        ("config.json", '{"n_positions": 20}', "must hold vocab_size"),
    ],
)
def test_what_is_not_known_is_named_before_anything_is_loaded(
    tmp_path: Path, path: str, content: str, message: str
) -> None:
    folder = write_embedding_folder(tmp_path / "folder")
    assert OnnxRuntimeBackend().accepts(folder) == Accepts()
    (folder / "tokenizer.json").unlink()
    (folder / path).write_text(content)

    answer = OnnxRuntimeBackend().accepts(folder)

    assert isinstance(answer, Declines)
    assert message in answer.reason
