"""The converted graph computes what a slow obvious forward pass of the dequantised weights computes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from jan_ort.convert import convert_gguf
from jan_ort.convert.architectures.decoder_config import read_decoder_config
from jan_ort.convert.architectures.llama import LLAMA
from jan_ort.convert.graph.decoder import DecoderGraph
from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.weights.schemes import Weights
from jan_ort.convert.weights.smoothing import LayerSmoothing
from tests.convert.runtime_needs import needs_products_of_no_rows
from tests.convert.tiny_llama import (
    HEAD_DIM,
    HEADS,
    HIDDEN,
    INNER,
    KV_HEADS,
    LAYERS,
    VOCAB,
    LlamaSession,
    TinyLlama,
)

TOKEN_IDS = [3, 200, 17, 45, 45, 9, 120, 77, 250, 1, 33, 8]
SOURCE_TYPES = [Type.Q4_1, Type.Q4_0, Type.Q8_0, Type.F16, Type.BF16, Type.F32]


def convert(model: TinyLlama, folder: Path, weights: Weights = "int8") -> Path:
    source = model.write(folder / "tiny.gguf")
    target = folder / f"tiny-{weights}"
    target.mkdir()
    convert_gguf(source, target, weights=weights)
    return target


def relative_error(actual: NDArray[np.float32], expected: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def with_float_activations(folder: Path) -> Path:
    """Let the products keep float32 activations, so that only the weights' own rounding is left."""
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":
                attribute.i = 1
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder


def graph_without_smoothing(model: TinyLlama, folder: Path, weights: Weights) -> Path:
    """Return a folder with the graph alone, whose products have the file's own columns and float32 activations."""
    source = GgufFile(model.write(folder / "tiny.gguf"))
    config = read_decoder_config(source, LLAMA)
    with OnnxWriter(folder) as writer:
        graph = DecoderGraph(source, LLAMA, config, writer, weights, [LayerSmoothing()] * LAYERS)
        graph.build(lambda fraction: None)
    return with_float_activations(folder)


def exact_in_8_bits(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Return a matrix of integers times 2**-9 with 127 in every 32 columns, which 8-bit blocks represent exactly."""
    codes = np.random.default_rng(seed).integers(-127, 128, shape).astype(np.float32)
    codes[:, ::32] = 127
    return codes / np.float32(512)


EXTRA_SHAPES = {
    "output.weight": (VOCAB, HIDDEN),
    "rope_freqs.weight": (HEAD_DIM // 2,),
    "blk.0.attn_q.bias": (HEADS * HEAD_DIM,),
    "blk.0.attn_k.bias": (KV_HEADS * HEAD_DIM,),
    "blk.1.attn_output.bias": (HIDDEN,),
    "blk.1.ffn_up.bias": (INNER,),
    "blk.1.ffn_down.bias": (HIDDEN,),
}


@pytest.mark.parametrize("extras", [[], list(EXTRA_SHAPES)], ids=["plain", "untied-biases-rotary-factors"])
def test_the_graph_equals_the_forward_pass_where_8_bits_are_exact(extras: list[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    added = {name: rng.uniform(1, 2, EXTRA_SHAPES[name]).astype(np.float32) for name in extras}
    model = TinyLlama(tensors=added)
    matrices = [name for name, values in model.tensors.items() if values.ndim == 2]
    model.tensors |= {name: exact_in_8_bits(model.tensors[name].shape, seed) for seed, name in enumerate(matrices)}
    session = LlamaSession(graph_without_smoothing(model, tmp_path, "int8"))

    logits, _, _ = session.step(TOKEN_IDS)

    assert relative_error(logits, model.forward(TOKEN_IDS)) < 1e-4


def test_int4_keeps_q4_0_exactly(tmp_path: Path) -> None:
    model = TinyLlama(Type.Q4_0, embedding_type=Type.Q8_0)
    session = LlamaSession(graph_without_smoothing(model, tmp_path, "int4"))

    logits, _, _ = session.step(TOKEN_IDS)

    assert relative_error(logits, model.forward(TOKEN_IDS)) < 1e-4


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize("tensor_type", SOURCE_TYPES, ids=lambda kind: kind.name)
def test_converted_logits_are_near_the_forward_pass(tensor_type: Type, weights: Weights, tmp_path: Path) -> None:
    model = TinyLlama(tensor_type)
    session = LlamaSession(convert(model, tmp_path, weights))

    logits, _, _ = session.step(TOKEN_IDS)

    assert relative_error(logits, model.forward(TOKEN_IDS)) < 0.05  # measured: 0.026 to 0.042


def test_a_cached_past_gives_the_same_logits_as_one_run(tmp_path: Path) -> None:
    folder = convert(TinyLlama(Type.Q4_1), tmp_path)
    whole, _, _ = LlamaSession(folder).step(TOKEN_IDS)

    session = LlamaSession(folder)
    chunks = [session.step(TOKEN_IDS[:5])[0], session.step(TOKEN_IDS[5:])[0]]

    assert np.array_equal(np.concatenate(chunks), whole)


@needs_products_of_no_rows
def test_logits_rows_choose_positions_and_may_be_empty(tmp_path: Path) -> None:
    folder = convert(TinyLlama(Type.Q8_0), tmp_path)
    whole, _, _ = LlamaSession(folder).step(TOKEN_IDS)

    chosen, _, _ = LlamaSession(folder).step(TOKEN_IDS, rows=[11, 2])
    none, no_top, no_ids = LlamaSession(folder).step(TOKEN_IDS, rows=[])

    assert np.array_equal(chosen, whole[[11, 2]])
    assert (none.shape, no_top.shape, no_ids.shape) == ((0, VOCAB), (0, 64), (0, 64))


def test_top_logits_are_the_largest_in_descending_order(tmp_path: Path) -> None:
    session = LlamaSession(convert(TinyLlama(), tmp_path))

    logits, top_logits, top_token_ids = session.step(TOKEN_IDS)

    assert np.array_equal(top_logits, -np.sort(-logits, axis=-1)[:, :64])
    assert np.array_equal(np.take_along_axis(logits, top_token_ids, axis=-1), top_logits)


def test_the_graph_has_the_names_and_shapes_that_the_backend_expects(tmp_path: Path) -> None:
    session = LlamaSession(convert(TinyLlama(), tmp_path))

    shapes = {name: (value.type, value.shape) for name, value in session.inputs.items()}

    cache = ("tensor(float)", ["batch", KV_HEADS, "max_length", HEAD_DIM])
    assert shapes == {
        "input_ids": ("tensor(int64)", ["batch", "sequence"]),
        "seqlens_k": ("tensor(int32)", ["batch"]),
        "total_sequence_length": ("tensor(int32)", [1]),
        "logits_rows": ("tensor(int64)", ["num_logits"]),
        **{f"past_key_values.{layer}.{kind}": cache for layer in (0, 1) for kind in ("key", "value")},
    }
    assert session.metadata == {"jan_ort.graph": "gqa-shared-kv/1", "jan_ort.context_length": "128"}


def test_the_embedding_and_the_tied_head_share_their_bytes(tmp_path: Path) -> None:
    folder = convert(TinyLlama(Type.Q8_0), tmp_path)

    model = onnx.load(folder / "model.onnx", load_external_data=False)
    places = {
        tensor.name: {entry.key: entry.value for entry in tensor.external_data} for tensor in model.graph.initializer
    }

    assert places["embed.codes"] == places["logits.codes"]
    assert places["embed.scales"] == places["logits.scales"]
    assert all(int(place["offset"]) % 4096 == 0 for place in places.values() if place)


def test_linear_rope_scaling_stretches_positions(tmp_path: Path) -> None:
    (tmp_path / "linear").mkdir()
    (tmp_path / "factors").mkdir()
    scaling = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    linear = TinyLlama(metadata=scaling)
    factors = TinyLlama(tensors={"rope_freqs.weight": np.full(HEAD_DIM // 2, 4, np.float32)})

    logits, _, _ = LlamaSession(convert(linear, tmp_path / "linear")).step(TOKEN_IDS)
    expected, _, _ = LlamaSession(convert(factors, tmp_path / "factors")).step(TOKEN_IDS)

    assert np.array_equal(logits, expected)


def test_conversion_is_deterministic(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    first = convert(TinyLlama(Type.Q4_1), tmp_path / "a")
    second = convert(TinyLlama(Type.Q4_1), tmp_path / "b")

    names = sorted(path.name for path in first.iterdir())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    assert json.loads((second / "jan_ort.json").read_text())["weights"] == "int8-block64"
