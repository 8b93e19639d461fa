"""An encoder is one recipe: the same weights under its names convert to the same embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from jan_ort.convert import architectures, convert_sentence_transformers
from jan_ort.convert.architectures.bert import BERT, BERT_TENSORS
from jan_ort.convert.architectures.encoder import Encoder
from jan_ort.ground.model_errors import ConversionError
from tests.convert.tiny_bert import LAYERS, Tensors, embed, random_tensors, write_tiny_bert

TOKEN_IDS = [1, 5, 7, 3]
SPELLING = {
    "embeddings.word_embeddings": "words",
    "embeddings.LayerNorm": "first_norm",
    "encoder.layer.{layer}.attention.self.query": "block.{layer}.q",
    "encoder.layer.{layer}.output.dense": "block.{layer}.out",
}
"""What the toy calls some of BERT's tensors."""

TOY = Encoder(
    name="toy",
    tensors={SPELLING.get(name, name): role for name, role in BERT_TENSORS.items()},
    prefixes=("toy.",),
    defaults=BERT.defaults,
    neutral={"rotary": ("no",)},
    harmless=frozenset({"dropout"}),
)


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "ARCHITECTURES", (*architectures.ARCHITECTURES, TOY))


def spelled(tensors: Tensors, prefix: str = "") -> Tensors:
    """Return BERT's tensors under the toy's names."""
    spelling = {
        name.format(layer=layer): own.format(layer=layer) for name, own in SPELLING.items() for layer in range(LAYERS)
    }
    split = {name: name.rpartition(".") for name in tensors}
    return {
        f"{prefix}{spelling.get(split[name][0], split[name][0])}.{split[name][2]}": tensors[name] for name in tensors
    }


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.mark.parametrize("prefix", ["", "toy."])
def test_a_further_encoder_computes_its_forward_pass(prefix: str, tmp_path: Path, target: Path) -> None:
    tensors = random_tensors()
    source = write_tiny_bert(tmp_path / "source", tensors=spelled(tensors, prefix), model_type="toy")

    convert_sentence_transformers(source, target)

    session = onnxruntime.InferenceSession(target / "model.onnx", providers=["CPUExecutionProvider"])
    feeds = {"input_ids": np.array([TOKEN_IDS]), "attention_mask": np.ones((1, len(TOKEN_IDS)), np.int64)}
    expected = embed(tensors, TOKEN_IDS, pooling="mean_tokens", normalize=True)
    np.testing.assert_allclose(session.run(None, feeds)[0][0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rotary": "yes"}, "rotary is 'yes': supported: no"),
        ({"brand_new": 3}, "brand_new is '3': it may change the model, and is not supported"),
        ({"is_decoder": True}, "is_decoder is 'True': supported: False"),
    ],
)
def test_a_key_that_may_change_the_vectors_is_refused(
    tmp_path: Path, target: Path, change: dict[str, object], message: str
) -> None:
    source = write_tiny_bert(tmp_path / "source", tensors=spelled(random_tensors()), model_type="toy", **change)

    with pytest.raises(ConversionError, match=message):
        convert_sentence_transformers(source, target)


def test_a_key_that_the_recipe_takes_for_harmless_is_passed_over(tmp_path: Path, target: Path) -> None:
    tensors = spelled(random_tensors())
    source = write_tiny_bert(tmp_path / "source", tensors=tensors, model_type="toy", dropout=0.1, rotary="no")

    convert_sentence_transformers(source, target)


@pytest.mark.parametrize("name", ["more.weight", "encoder.layer.2.intermediate.dense.weight", "embeddings.types.bias"])
def test_a_tensor_that_nobody_uses_is_refused(tmp_path: Path, target: Path, name: str) -> None:
    tensors = spelled(random_tensors()) | {name: np.zeros((2, 2), np.float32)}
    source = write_tiny_bert(tmp_path / "source", tensors=tensors, model_type="toy")

    with pytest.raises(ConversionError, match=name):
        convert_sentence_transformers(source, target)


def test_an_unknown_encoder_is_refused_with_the_list(tmp_path: Path, target: Path) -> None:
    source = write_tiny_bert(tmp_path / "source", model_type="albert")

    with pytest.raises(ConversionError, match=r"architecture 'albert' is not supported; supported: bert, .*toy"):
        convert_sentence_transformers(source, target)
