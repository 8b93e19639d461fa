"""An encoder is one recipe too: the same weights under its names convert to the same embeddings."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from jan_ort.convert import architectures, convert_sentence_transformers
from jan_ort.convert.architectures.bert import BERT
from jan_ort.convert.architectures.encoder import Encoder, EncoderTensors
from jan_ort.ground.model_errors import ConversionError
from tests.convert.tiny_bert import LAYERS, Tensors, embed, random_tensors, write_tiny_bert

TOKEN_IDS = [1, 5, 7, 3]
TOY = Encoder(
    name="toy",
    prefix="toy.",
    tensors=EncoderTensors(
        words="words",
        embedding_norm="first_norm",
        query="q{layer}",
        key="k{layer}",
        value="v{layer}",
        attention_norm="n{layer}",
        down="out{layer}",
    ),
    settings=(("hidden_act", "gelu"), ("rotary", "no")),
)


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "ARCHITECTURES", (*architectures.ARCHITECTURES, TOY))


def spelled(tensors: Tensors, prefix: str = "") -> Tensors:
    """Return BERT's tensors under the toy's names."""
    spelling = {}
    for layer in range(LAYERS):
        bert, own = BERT.tensors.of(layer), TOY.tensors.of(layer)
        spelling |= {getattr(bert, each.name): getattr(own, each.name) for each in fields(bert)}
    split = {name: name.rpartition(".") for name in tensors}
    return {f"{prefix}{spelling[split[name][0]]}.{split[name][2]}": tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize("prefix", ["", "toy."])
def test_a_further_encoder_computes_its_forward_pass(prefix: str, tmp_path: Path) -> None:
    tensors = random_tensors()
    source = write_tiny_bert(tmp_path / "source", tensors=spelled(tensors, prefix), model_type="toy")
    target = tmp_path / "target"
    target.mkdir()

    convert_sentence_transformers(source, target)

    session = onnxruntime.InferenceSession(target / "model.onnx", providers=["CPUExecutionProvider"])
    feeds = {"input_ids": np.array([TOKEN_IDS]), "attention_mask": np.ones((1, len(TOKEN_IDS)), np.int64)}
    expected = embed(tensors, TOKEN_IDS, pooling="mean_tokens", normalize=True)
    np.testing.assert_allclose(session.run(None, feeds)[0][0], expected, atol=1e-5)


def test_a_setting_that_the_graph_has_one_answer_to_is_refused_with_it(tmp_path: Path) -> None:
    source = write_tiny_bert(tmp_path / "source", tensors=spelled(random_tensors()), model_type="toy", rotary="yes")

    with pytest.raises(ConversionError, match="rotary 'yes' is not supported; supported: no"):
        convert_sentence_transformers(source, tmp_path)


def test_an_unknown_encoder_is_refused_with_the_list(tmp_path: Path) -> None:
    source = write_tiny_bert(tmp_path / "source", model_type="mpnet")

    with pytest.raises(ConversionError, match=r"architecture 'mpnet' is not supported; supported: bert, toy$"):
        convert_sentence_transformers(source, tmp_path)


def test_names_are_of_one_layer() -> None:
    assert replace(TOY, name="other").tensors.of(1).query == "q1"
