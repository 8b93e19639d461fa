"""Every architecture that embeds or scores pairs is converted, and equals sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from jan_ort.convert import convert_sentence_transformers
from jan_ort.ground.model_errors import ConversionError
from jan_ort.ground.task import EMBED, RERANK
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, Wanted
from jan_ort.models.sources.sentence_transformers import SentenceTransformersSource
from jan_ort_backends import OpenOptions
from jan_ort_onnxruntime import backend
from tests.fixtures import encoder_models
from tests.fixtures.encoder_models.configurations import CONFIGURATIONS, SCORING

ROPE = {"full_attention": 160_000.0, "sliding_attention": 10_000.0}
NOMIC_AS_PUBLISHED = {
    "model_type": "nomic_bert",
    "activation_function": "swiglu",
    "attn_pdrop": 0.0,
    "causal": False,
    "dense_seq_output": True,
    "layer_norm_epsilon": 1e-12,
    "max_trained_positions": 2048,
    "mlp_fc1_bias": False,
    "n_embd": 32,
    "n_head": 4,
    "n_inner": 48,
    "n_layer": 4,
    "n_positions": 128,
    "parallel_block": False,
    "prenorm": False,
    "qkv_proj_bias": False,
    "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "rotary_scaling_factor": None,
    "scale_attn_weights": True,
    "type_vocab_size": 2,
    "use_rms_norm": False,
    "vocab_size": 96,
}

RECORDED = np.load(encoder_models.VECTORS)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def tokenized(folder: Path, texts: Sequence[Any]) -> list[list[int]]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def run(folder: Path, rows: list[list[int]]) -> NDArray[np.float32]:
    """Return what the graph says of rows in one batch, padded on the right with a token that must not matter."""
    width = max(map(len, rows))
    token_ids = np.array([row + [5] * (width - len(row)) for row in rows], np.int64)
    mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows], np.int64)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"input_ids": token_ids, "attention_mask": mask})
    assert isinstance(output, np.ndarray)
    return output


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_vectors_equal_those_of_sentence_transformers_alone_and_in_company(
    name: str, tmp_path: Path, target: Path
) -> None:
    convert_sentence_transformers(encoder_models.write(name, tmp_path), target)

    rows = tokenized(target, encoder_models.texts(name))
    alone = np.concatenate([run(target, [row]) for row in rows])

    assert (alone * RECORDED[name]).sum(axis=1).min() >= 1 - 1e-5  # both have length 1
    np.testing.assert_allclose(run(target, rows), alone, atol=1e-6)


@pytest.mark.parametrize("name", SCORING)
def test_scores_equal_those_of_sentence_transformers_alone_and_in_company(
    name: str, tmp_path: Path, target: Path
) -> None:
    convert_sentence_transformers(encoder_models.write(name, tmp_path, scores=True), target, task=RERANK)

    rows = tokenized(target, encoder_models.pairs())
    alone = np.concatenate([run(target, [row]) for row in rows])

    np.testing.assert_allclose(alone[:, 0], RECORDED[f"{name}/scores"], atol=1e-5)
    np.testing.assert_allclose(run(target, rows), alone, atol=1e-6)


@pytest.mark.parametrize("mode", ["mean", "cls", "max", "last"])
def test_a_folder_that_says_nothing_of_pooling_pools_as_it_is_told(mode: str, tmp_path: Path, target: Path) -> None:
    source = encoder_models.write("roberta", tmp_path)
    for name in ("modules.json", "1_Pooling/config.json"):
        (source / name).unlink()

    with pytest.raises(ConversionError, match=r"does not say how .* --pooling mean, cls, max or last"):
        convert_sentence_transformers(source, target)

    convert_sentence_transformers(source, target, pooling=mode)
    (row,) = tokenized(target, ["w1 w2 w3"])
    found = run(target, [row])[0]
    assert (found @ run(target, [row, row])[1], np.linalg.norm(found)) == pytest.approx((1, 1), abs=1e-6)


def test_a_family_that_is_known_by_its_name_pools_as_it_does(tmp_path: Path, target: Path) -> None:
    source = encoder_models.write("bert", tmp_path)  # whose modules.json says cls
    for name in ("modules.json", "1_Pooling/config.json"):
        (source / name).unlink()
    source = source.rename(tmp_path / "bge-small-en-v1.5")

    convert_sentence_transformers(source, target)

    rows = tokenized(target, encoder_models.texts("bert"))
    assert (run(target, rows) * RECORDED["bert"]).sum(axis=1).min() >= 1 - 1e-5


@pytest.mark.parametrize(("name", "positions"), [("bert", 64), ("roberta", 64), ("mpnet", 200), ("modernbert", 128)])
def test_a_model_takes_as_many_tokens_as_it_has_positions_for(
    name: str, positions: int, tmp_path: Path, target: Path
) -> None:
    convert_sentence_transformers(encoder_models.write(name, tmp_path), target)

    row = [4 + at % 80 for at in range(positions)]
    assert np.isfinite(run(target, [row])).all()
    assert f'"context_length": {positions}' in (target / "jan_ort.json").read_text()


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("2_Dense/config.json", {"activation_function": "torch.nn.modules.activation.PReLU"}, "activation 'PReLU'"),
        ("2_Dense/config.json", {"use_residual": True}, "use_residual is 'True'"),
        ("2_Dense/config.json", {"module_input_name": "token_embeddings"}, "module_input_name is 'token_embeddings'"),
        (
            "2_Dense/config.json",
            {"out_features": 64},
            r"tensor 'linear\.weight' .* is not what its config\.json calls for",
        ),
        ("2_Dense/model.safetensors", None, r"2_Dense.model\.safetensors is missing"),
        ("3_Dense/model.safetensors", "2_Dense/model.safetensors", r"the shape \(128, 32\) gets vectors of 128"),
        ("modules.json", [0, 1, 4, 2, 3], "the order Transformer, Pooling, Normalize, Dense, Dense is not supported"),
    ],
)
def test_products_behind_pooling_that_are_not_followed_are_refused(
    file: str, change: Any, message: str, tmp_path: Path, target: Path
) -> None:
    source = encoder_models.write("embeddinggemma", tmp_path)
    if isinstance(change, str):
        (source / file).write_bytes((source / change).read_bytes())
        (source / "3_Dense/config.json").write_bytes((source / "2_Dense/config.json").read_bytes())
    elif change is None:
        (source / file).unlink()
    else:
        stated = json.loads((source / file).read_text())
        made = stated | change if isinstance(change, dict) else [stated[at] for at in change]
        (source / file).write_text(json.dumps(made))

    with pytest.raises(ConversionError, match=message):
        convert_sentence_transformers(source, target)


def test_what_is_behind_pooling_is_of_what_was_converted(tmp_path: Path) -> None:
    path = encoder_models.write("embeddinggemma", tmp_path)
    source, cache = find_source(str(path), Known()), tmp_path / "cache"
    assert isinstance(source, SentenceTransformersSource)
    folder = source.make(Wanted(EMBED), cache)

    dense = path / "2_Dense" / "model.safetensors"
    dense.write_bytes(dense.read_bytes()[:-4] + b"\0\0\0\0")

    assert source.make(Wanted(EMBED), cache) != folder


def test_nomic_is_the_same_by_the_names_of_its_makers(tmp_path: Path, target: Path) -> None:
    source = encoder_models.write("nomic_bert", tmp_path)
    (source / "config.json").write_text(json.dumps(NOMIC_AS_PUBLISHED))

    convert_sentence_transformers(source, target)

    rows = tokenized(target, encoder_models.texts("nomic_bert"))
    assert (run(target, rows) * RECORDED["nomic_bert"]).sum(axis=1).min() >= 1 - 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rotary_scaling_factor": 2}, "rotary_scaling_factor is '2'"),
        ({"prenorm": True}, "prenorm is 'True'"),
        ({"num_experts": 8}, "num_experts is '8'"),
        ({"activation_function": "relu6"}, "activation_function is 'relu6'"),
    ],
)
def test_what_nomic_says_and_is_not_followed_is_refused(
    change: dict[str, object], message: str, tmp_path: Path, target: Path
) -> None:
    source = encoder_models.write("nomic_bert", tmp_path)
    (source / "config.json").write_text(json.dumps(NOMIC_AS_PUBLISHED | change))

    with pytest.raises(ConversionError, match=message):
        convert_sentence_transformers(source, target)


def test_modernbert_may_say_its_epsilon_twice(tmp_path: Path, target: Path) -> None:
    source = encoder_models.write("modernbert", tmp_path)
    config = CONFIGURATIONS["modernbert"] | {"layer_norm_eps": 1e-05, "norm_eps": 1e-05}
    (source / "config.json").write_text(json.dumps(config))

    convert_sentence_transformers(source, target)

    rows = tokenized(target, encoder_models.texts("modernbert"))
    assert (run(target, rows) * RECORDED["modernbert"]).sum(axis=1).min() >= 1 - 1e-5


def test_two_epsilons_are_refused(tmp_path: Path, target: Path) -> None:
    source = encoder_models.write("modernbert", tmp_path)
    config = CONFIGURATIONS["modernbert"] | {"layer_norm_eps": 1e-05, "norm_eps": 1e-06}
    (source / "config.json").write_text(json.dumps(config))

    with pytest.raises(ConversionError, match="norm_eps is '1e-06': layer_norm_eps is 1e-05, and both mean the same"):
        convert_sentence_transformers(source, target)


def test_modernbert_is_the_same_by_the_names_of_later_versions(tmp_path: Path, target: Path) -> None:
    source = encoder_models.write("modernbert", tmp_path)
    config = {
        key: value for key, value in CONFIGURATIONS["modernbert"].items() if "rope" not in key and "every" not in key
    }
    rope = {kind: {"rope_theta": theta, "rope_type": "default"} for kind, theta in ROPE.items()}
    types = ["full_attention" if layer % 3 == 0 else "sliding_attention" for layer in range(4)]
    (source / "config.json").write_text(json.dumps(config | {"rope_parameters": rope, "layer_types": types}))

    convert_sentence_transformers(source, target)

    rows = tokenized(target, encoder_models.texts("modernbert"))
    assert (run(target, rows) * RECORDED["modernbert"]).sum(axis=1).min() >= 1 - 1e-5


@pytest.mark.parametrize("name", ["roberta", "xlm-roberta", "mpnet"])
def test_a_converted_folder_does_not_contradict_its_graph(
    name: str, tmp_path: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its positions have no rows before the first, which the model's own have."""
    convert_sentence_transformers(encoder_models.write(name, tmp_path), target)

    session = backend.open(target, OpenOptions())

    assert caplog.text == ""
    assert session.info.context_length == CONFIGURATIONS[name]["max_position_embeddings"] - 2
