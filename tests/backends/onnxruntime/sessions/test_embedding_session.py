"""Encoders whose graph leaves pooling to us, against vectors that torch's hidden states give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from jan_ort_backends import Accepts, Declines, OpenOptions, check_session
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.backends.onnxruntime.layout_folders import FIXTURES, write_embedding_folder


def golden(part: str) -> list[NDArray[np.generic]]:
    recorded = np.load(FIXTURES / "bert" / "golden.npz")
    return [recorded[f"{part}_{index}"] for index in range(3)]


def embed(folder: Path) -> NDArray[np.float32]:
    backend = OnnxRuntimeBackend()
    session = backend.open(folder, OpenOptions())
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

    assert_allclose(embed(bare), embed(folder), rtol=0, atol=0)


def test_a_bare_encoder_takes_the_mean_and_normalises(tmp_path: Path) -> None:
    expected = embed(write_embedding_folder(tmp_path / "folder"))
    for path in ("modules.json", "1_Pooling/config.json"):
        (tmp_path / "folder" / path).unlink()
    (tmp_path / "folder" / "1_Pooling").rmdir()

    assert_allclose(embed(tmp_path / "folder"), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["sentence_embedding", "output_3"])
def test_a_vector_from_the_graph_itself_is_taken(tmp_path: Path, name: str) -> None:
    folder = write_embedding_folder(tmp_path / "folder")
    path = folder / "onnx" / "model.onnx"
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node("ReduceMax", ["last_hidden_state"], [name], axes=[1], keepdims=0))
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 32]))
    if name != "sentence_embedding":
        model.graph.output.remove(model.graph.output[0])
    model.opset_import[0].version = 17
    onnx.save(model, path)

    vectors = embed(folder)

    assert vectors.shape == (3, 32)
    assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("modules.json", '[{"type": "sentence_transformers.models.Dense"}]', "has a module Dense"),
        ("modules.json", "{}", "holds no JSON array"),
        ("modules.json", "[", "is not valid JSON"),
        ("1_Pooling/config.json", '{"pooling_mode_weightedmean_tokens": true}', "weightedmean_tokens"),
        ("1_Pooling/config.json", '{"pooling_mode": "weightedmean"}', "asks for weightedmean"),
        ("1_Pooling/config.json", '{"include_prompt": true}', "asks for no pooling"),
        ("config_sentence_transformers.json", '{"default_prompt_name": "query"}', "default_prompt_name is 'query'"),
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
