"""An architecture is one recipe: the same weights in its spelling convert to the same graph, and run."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from jan_ort.convert import architectures, convert_gguf
from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors
from jan_ort.convert.architectures.llama import LLAMA
from jan_ort.convert.architectures.qwen2 import QWEN2
from jan_ort.convert.weights.schemes import Weights
from jan_ort.ground.model_errors import ConversionError
from tests.convert.tiny_llama import HEAD_DIM, HEADS, KV_HEADS, LAYERS, LlamaSession, TinyLlama

TOKEN_IDS = [3, 200, 17, 45, 45, 9, 120, 77, 250, 1, 33, 8]
TOY = Decoder(
    name="toy",
    hf_class="ToyForCausalLM",
    rotary_pairs=False,
    activation="gelu_pytorch_tanh",
    tensors=DecoderTensors(
        embedding="words",
        output_norm="last_norm",
        head="head",
        attention_norm="h.{layer}.norm_1",
        query="h.{layer}.query",
        key="h.{layer}.key",
        value="h.{layer}.value",
        attention_output="h.{layer}.out",
        mlp_norm="h.{layer}.norm_2",
        gate="h.{layer}.gate",
        up="h.{layer}.up",
        down="h.{layer}.down",
    ),
    harmless_keys=frozenset({"color"}),
)


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "ARCHITECTURES", (*architectures.ARCHITECTURES, TOY))


def biases() -> dict[str, NDArray[np.float32]]:
    """Return biases of queries, keys and values."""
    rng = np.random.default_rng(4)
    sizes = {"q": HEADS * HEAD_DIM, "k": KV_HEADS * HEAD_DIM, "v": KV_HEADS * HEAD_DIM}
    return {
        f"blk.{layer}.attn_{kind}.bias": rng.normal(0, 1, size).astype(np.float32)
        for layer in range(LAYERS)
        for kind, size in sizes.items()
    }


def convert(model: TinyLlama, folder: Path, weights: Weights) -> Path:
    target = folder / model.decoder.name
    target.mkdir()
    convert_gguf(model.write(folder / f"{model.decoder.name}.gguf"), target, weights=weights)
    return target


def relative_error(actual: NDArray[np.float32], expected: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("decoder", [QWEN2, TOY], ids=lambda decoder: decoder.name)
@pytest.mark.parametrize(("weights", "limit"), [("fp16", 0.003), ("int4-fp16", 0.003), ("int8", 0.05), ("int4", 0.05)])
def test_a_model_of_each_architecture_computes_its_forward_pass(
    decoder: Decoder, weights: Weights, limit: float, tmp_path: Path
) -> None:
    model = TinyLlama(Type.Q4_0, embedding_type=Type.Q8_0, tensors=biases(), decoder=decoder)
    session = LlamaSession(convert(model, tmp_path, weights))

    logits, _, _ = session.step(TOKEN_IDS)

    assert relative_error(logits, model.forward(TOKEN_IDS)) < limit


def test_the_order_of_rows_is_all_that_tells_qwen2_from_a_llama_with_biases(tmp_path: Path) -> None:
    qwen2, llama = (
        convert(TinyLlama(tensors=biases(), decoder=decoder), tmp_path, "fp16") for decoder in (QWEN2, LLAMA)
    )

    assert (qwen2 / "model.onnx.data").read_bytes() == (llama / "model.onnx.data").read_bytes()


@pytest.mark.parametrize("decoder", [QWEN2, TOY], ids=lambda decoder: decoder.name)
def test_config_json_names_the_architecture(decoder: Decoder, tmp_path: Path) -> None:
    folder = convert(TinyLlama(decoder=decoder), tmp_path, "int8")

    config = json.loads((folder / "config.json").read_text())

    assert (config["architectures"], config["model_type"]) == ([decoder.hf_class], decoder.name)
    assert config["hidden_act"] == decoder.activation


def test_a_head_of_its_own_is_used(tmp_path: Path) -> None:
    head = np.random.default_rng(8).normal(0, 0.15, (261, 64)).astype(np.float32)
    model = TinyLlama(tensors={"output.weight": head}, decoder=TOY)

    logits, _, _ = LlamaSession(convert(model, tmp_path, "fp16")).step(TOKEN_IDS)

    assert relative_error(logits, model.forward(TOKEN_IDS)) < 0.003


def test_a_key_that_only_one_architecture_knows_to_be_harmless_is_refused_in_others(tmp_path: Path) -> None:
    metadata = {"llama.color": "blue"}  # written with each architecture's own name

    convert(TinyLlama(metadata=metadata, decoder=TOY), tmp_path, "fp16")

    with pytest.raises(ConversionError, match=r"'qwen2\.color' changes the model"):
        convert(TinyLlama(metadata=metadata, decoder=QWEN2), tmp_path, "fp16")


def test_an_unknown_architecture_is_refused_with_the_list(tmp_path: Path) -> None:
    model = TinyLlama(decoder=replace(TOY, name="other"))

    supported = ", ".join(architectures.decoders())

    expected = f"'other' is not supported; supported: {supported}; use an ONNX repository of the model"
    with pytest.raises(ConversionError, match=expected):
        convert(model, tmp_path, "fp16")


def test_every_name_of_a_tensor_is_one_of_its_layer() -> None:
    names = TOY.tensors.of(3)

    assert [getattr(names, each.name) for each in fields(names)].count("h.3.query") == 1
    assert not any("{" in getattr(names, each.name) for each in fields(names))
