"""The graphs in float16 compute what the slow forward pass does, of operators and forms that GPUs have kernels for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from gguf import GGMLQuantizationType as Type

from jan_ort.convert import convert_gguf
from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK
from jan_ort.convert.weights.schemes import Weights
from jan_ort.ground.model_errors import ConversionError
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.providers.provider_table import BUILT_IN, CPU, why_not
from tests.convert.graph.test_decoder import EXTRA_SHAPES, SOURCE_TYPES, TOKEN_IDS, convert, relative_error
from tests.convert.tiny_llama import HEAD_DIM, HIDDEN, KV_HEADS, LAYERS, VOCAB, LlamaSession, TinyLlama
from tests.convert.weights.test_mixed_types import mixed_llama
from tests.fixtures.gguf_models import write

KEPT = [Type.Q4_0, Type.Q4_1]


def nodes(folder: Path, op_type: str) -> list[onnx.NodeProto]:
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    return [node for node in model.graph.node if node.op_type == op_type]


def wide_llama(tensor_type: Type, inner: int) -> TinyLlama:
    """Return a llama whose down projections have rows of ``inner`` columns, with sums as small as the others'."""
    rng = np.random.default_rng(11)
    shapes = {"ffn_gate": (inner, HIDDEN), "ffn_up": (inner, HIDDEN), "ffn_down": (HIDDEN, inner)}
    tensors = {
        f"blk.{layer}.{name}.weight": rng.normal(0, 0.15 * (HIDDEN / shape[1]) ** 0.5, shape).astype(np.float32)
        for layer in range(LAYERS)
        for name, shape in shapes.items()
    }
    return TinyLlama(
        tensor_type, embedding_type=Type.Q8_0, tensors=tensors, metadata={"llama.feed_forward_length": inner}
    )


@pytest.mark.parametrize("tensor_type", SOURCE_TYPES, ids=lambda kind: kind.name)
def test_fp16_logits_are_those_of_the_forward_pass(tensor_type: Type, tmp_path: Path) -> None:
    model = TinyLlama(tensor_type)
    session = LlamaSession(convert(model, tmp_path, "fp16"))

    logits, _, _ = session.step(TOKEN_IDS)

    assert logits.dtype == np.float32
    assert relative_error(logits, model.forward(TOKEN_IDS)) < 0.003


@pytest.mark.parametrize("tensor_type", KEPT, ids=lambda kind: kind.name)
def test_int4_fp16_keeps_the_codes_of_4_bit_matrices(tensor_type: Type, tmp_path: Path) -> None:
    model = TinyLlama(tensor_type, embedding_type=Type.Q8_0)
    session = LlamaSession(convert(model, tmp_path, "int4-fp16"))

    logits, _, _ = session.step(TOKEN_IDS)

    assert relative_error(logits, model.forward(TOKEN_IDS)) < {Type.Q4_0: 0.003, Type.Q4_1: 0.03}[tensor_type]


@pytest.mark.parametrize("num_blocks", [32, 33, 43, 65])
@pytest.mark.parametrize("tensor_type", KEPT, ids=lambda kind: kind.name)
def test_int4_fp16_keeps_rows_of_any_number_of_blocks(tensor_type: Type, num_blocks: int, tmp_path: Path) -> None:
    model = wide_llama(tensor_type, GGML_BLOCK * num_blocks)
    session = LlamaSession(convert(model, tmp_path, "int4-fp16"))

    logits, _, _ = session.step(TOKEN_IDS)

    assert relative_error(logits, model.forward(TOKEN_IDS)) < {Type.Q4_0: 0.003, Type.Q4_1: 0.03}[tensor_type]


def test_matrices_that_the_file_has_in_more_bits_stay_precise_beside_4_bit_ones(tmp_path: Path) -> None:
    model = mixed_llama("Q4_K_M")
    folder = convert(model, tmp_path, "int4-fp16")

    logits, _, _ = LlamaSession(folder).step(TOKEN_IDS)

    # Q4_K: query, key, gate and up; Q6_K and Q5_0: value, down and output, and two means for each layer.
    assert (len(nodes(folder, "MatMulNBits")), len(nodes(folder, "MatMul"))) == (4 * LAYERS, 5 * LAYERS)
    assert relative_error(logits, model.forward(TOKEN_IDS)) < 0.03


def test_a_file_without_4_bit_matrices_is_rounded_to_4_bits_as_well_as_ggml_does(tmp_path: Path) -> None:
    model, theirs = TinyLlama(Type.F16), TinyLlama(Type.Q4_1, embedding_type=Type.F16)
    folder = convert(model, tmp_path, "int4-fp16")
    theirs.write(tmp_path / "theirs.gguf")

    logits, _, _ = LlamaSession(folder).step(TOKEN_IDS)

    assert len(nodes(folder, "MatMulNBits")) == 7 * LAYERS
    assert relative_error(logits, theirs.forward(TOKEN_IDS)) < 0.03


@pytest.mark.parametrize("weights", ["fp16", "int4-fp16"])
def test_an_untied_head_biases_and_rotary_factors_are_in_the_graph(weights: Weights, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    model = TinyLlama(
        Type.Q4_0, tensors={name: rng.uniform(1, 2, shape).astype(np.float32) for name, shape in EXTRA_SHAPES.items()}
    )
    session = LlamaSession(convert(model, tmp_path, weights))

    logits, _, _ = session.step(TOKEN_IDS)

    assert relative_error(logits, model.forward(TOKEN_IDS)) < 0.003


@pytest.mark.parametrize("weights", ["fp16", "int4-fp16"])
def test_the_cache_is_float16_and_positions_are_an_input(weights: Weights, tmp_path: Path) -> None:
    session = LlamaSession(convert(TinyLlama(Type.Q4_1), tmp_path, weights))

    shapes = {name: (value.type, value.shape) for name, value in session.inputs.items()}

    assert shapes["position_ids"] == ("tensor(int64)", ["batch", "sequence"])
    assert shapes["past_key_values.1.value"] == ("tensor(float16)", ["batch", KV_HEADS, "max_length", HEAD_DIM])
    assert session.metadata["jan_ort.graph"] == "gqa-shared-kv/2"


@pytest.mark.parametrize("weights", ["fp16", "int4-fp16"])
def test_a_cached_past_gives_the_same_logits_as_one_run(weights: Weights, tmp_path: Path) -> None:
    folder = convert(TinyLlama(Type.Q4_1), tmp_path, weights)
    whole, _, _ = LlamaSession(folder).step(TOKEN_IDS)

    session = LlamaSession(folder)
    chunks = [session.step(TOKEN_IDS[:5])[0], session.step(TOKEN_IDS[5:11])[0], session.step(TOKEN_IDS[11:])[0]]

    assert relative_error(np.concatenate(chunks), whole.astype(np.float64)) < 0.002


def test_the_embedding_and_the_tied_head_are_one_matrix(tmp_path: Path) -> None:
    folder = convert(TinyLlama(Type.Q4_1), tmp_path, "int4-fp16")

    readers = [node.op_type for op_type in ("Gather", "Gemm") for node in nodes(folder, op_type)]
    tables = Counter(name for op_type in ("Gather", "Gemm") for node in nodes(folder, op_type) for name in node.input)

    assert readers == ["Gather", "Gather", "Gemm"]  # the embedding, the wanted positions, the head
    assert tables["embed.weight"] == 2


def test_products_have_the_form_that_directml_reads(tmp_path: Path) -> None:
    products = nodes(convert(TinyLlama(Type.Q4_0), tmp_path, "int4-fp16"), "MatMulNBits")

    for node in products:
        at = {attribute.name: attribute.i for attribute in node.attribute}
        assert set(at) == {"K", "N", "bits", "block_size"}
        assert (at["bits"], at["K"] // at["block_size"] % 2) == (4, 0)
        assert len(node.input) == 4


@pytest.mark.parametrize(
    ("weights", "providers"),
    [
        ("int8", {"cpu"}),
        ("int4", {"cpu"}),
        ("fp16", {"cpu", "cuda", "dml"}),
        ("int4-fp16", {"cpu", "cuda", "dml"}),
    ],
)
def test_float16_graphs_are_for_gpus_too_and_the_others_for_a_cpu(
    weights: Weights, providers: set[str], tmp_path: Path
) -> None:
    folder = convert(TinyLlama(Type.Q4_1), tmp_path, weights)

    needs = OnnxFile.read(folder / "model.onnx").needs

    judged = [provider for provider in BUILT_IN if provider is CPU or provider.kernels]  # others' kernels are not known
    assert {provider.name for provider in judged if why_not(needs, provider) is None} == providers


@pytest.mark.parametrize("weights", ["fp16", "int4-fp16"])
def test_no_operator_is_left_that_a_provider_has_in_float32_only(weights: Weights, tmp_path: Path) -> None:
    folder = convert(TinyLlama(Type.Q4_1), tmp_path, weights)

    assert nodes(folder, "QuickGelu") == []  # OpenVINO's is not read beside float16
    assert len(nodes(folder, "Sigmoid")) == LAYERS


@pytest.mark.parametrize("weights", ["fp16", "int4-fp16"])
def test_a_layer_s_values_are_multiplied_after_queries_and_keys_are_rotated(weights: Weights, tmp_path: Path) -> None:
    model = onnx.load(convert(TinyLlama(Type.Q4_1), tmp_path, weights) / "model.onnx", load_external_data=False)

    written = [output for node in model.graph.node for output in node.output]

    for layer in range(LAYERS):  # OpenVINO's flavour leaves two of three products before a rotation to the CPU
        parts = [f"blk.{layer}.attn_{part}" for part in ("q.out.rotated", "k.out.rotated", "v.out")]
        query, key, value = map(written.index, parts)
        assert max(query, key) < value


def test_the_sum_before_a_layer_norm_is_a_node_of_its_own(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()

    convert_gguf(write("gpt2", tmp_path), target, weights="fp16")

    assert nodes(target, "SkipLayerNormalization") == []  # OpenVINO's does not return the sum
    assert nodes(target, "LayerNormalization")


def test_values_beyond_float16_are_refused(tmp_path: Path) -> None:
    model = TinyLlama(tensors={"output.weight": np.full((VOCAB, 64), 1e5, np.float32)})
    source = model.write(tmp_path / "tiny.gguf")
    (tmp_path / "target").mkdir()

    with pytest.raises(ConversionError, match=r"logits\.weight has values beyond float16's range.*--weights int8"):
        convert_gguf(source, tmp_path / "target", weights="fp16")
