"""Experts: what is kept of their weights, what is in memory, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter
from numpy.typing import NDArray
from onnx import TensorProto, helper

from jan_ort.convert import check_gguf, convert_gguf
from jan_ort.convert.architectures import decoders
from jan_ort.convert.architectures.decoder_config import read_decoder_config
from jan_ort.convert.graph.calibration import Calibration
from jan_ort.convert.graph.onnx_writer import MICROSOFT
from jan_ort.convert.inputs.checkpoint import ModelTensor
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.weights.schemes import Weights
from jan_ort.ground.model_errors import ConversionError
from tests.convert.gguf_proof import mean_kl, proof_of, prove
from tests.convert.inputs.random_blocks import model_blocks
from tests.convert.tiny_llama import LlamaSession
from tests.fixtures.gguf_models import RECIPES, write
from tests.fixtures.gguf_models.model import Model, Sizes
from tests.fixtures.gguf_models.recordings import TOKEN_IDS, recorded_logits

SIZES = Sizes(layers=1)
WHOLE_BLOCKS = Sizes(layers=1, hidden=256, expert_ffn=256, experts=4, experts_used=2)


def written(name: str, folder: Path, sizes: Sizes = SIZES, **keys: Any) -> Path:
    """Write a file of one layer with further keys."""
    model = Model(folder / f"{name}.gguf", RECIPES[name].arch, sizes)
    RECIPES[name].add(model)
    for key, value in keys.items():
        model.key(key, value)
    model.close()
    return folder / f"{name}.gguf"


def converted(source: Path, weights: Weights) -> Path:
    target = source.parent / f"{source.stem}-{weights}"
    target.mkdir()
    convert_gguf(source, target, weights=weights)
    return target


def experts_of(folder: Path) -> onnx.NodeProto:
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    return next(node for node in graph.node if node.op_type in ("MoE", "QMoE"))


def bits_of(node: onnx.NodeProto) -> int:
    return next((each.i for each in node.attribute if each.name == "expert_weight_bits"), 16)


@pytest.mark.parametrize(
    "name", ["mixtral", "qwen2moe", "qwen3moe", "gpt-oss", "deepseek2", "deepseek2-lite", "gemma4-experts"]
)
def test_the_pass_of_the_calibration_is_that_of_llama_cpp(name: str, tmp_path: Path) -> None:
    source = GgufFile(write(name, tmp_path))
    decoder = decoders()[RECIPES[name].arch]
    config = read_decoder_config(source, decoder)
    calibration = Calibration(source, decoder, config, TOKEN_IDS)
    layers = list(calibration.layers())

    head = "output.weight" if source.has_tensor("output.weight") else "token_embd.weight"
    logits = calibration.output() @ source.tensor(head, source.shape(head)).dequantize().T
    if cap := config.scales.logits_cap:
        logits = np.tanh(logits / cap) * cap

    assert mean_kl(recorded_logits(name), logits) < 1e-6
    assert all(layer.mlp is not None for layer in layers)
    assert (layers[-1].down is None) == (name != "gemma4-experts")  # which has a dense block beside


def keep_experts_as(kinds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files that are written have experts of a type, or of one each of gates, ways up and ways down."""
    write_matrix, each = Model.matrix, kinds.split()
    by_part = dict(zip(("gate", "up", "down"), each * 3 if len(each) == 1 else each, strict=False))

    def write_kind(model: Model, tensor: str, *shape: int, **more: Any) -> None:
        part, _, is_experts = tensor.partition("ffn_")[2].partition("_exps")
        kind = by_part[part] if is_experts else ""
        if kind.endswith("_K"):  # which the gguf package cannot make
            stored = Type[kind]
            blocks = model_blocks(stored, (math.prod(shape[:-1]), shape[-1]), [*by_part].index(part))
            model.writer.add_tensor(tensor, blocks.reshape(*shape[:-1], -1), raw_dtype=stored)
            return
        write_matrix(model, tensor, *shape, **more | ({"kind": kind} if kind else {}))

    monkeypatch.setattr(Model, "matrix", write_kind)


@pytest.mark.parametrize(
    ("kind", "bits"), [("Q4_0", 4), ("MXFP4", 4), ("Q4_1", 4), ("Q4_K", 4), ("Q5_0", 8), ("Q8_0", 8), ("F16", 8)]
)
def test_experts_keep_the_4_bits_that_their_operator_has(
    kind: str, bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_experts_as(kind, monkeypatch)

    assert bits_of(experts_of(converted(written("qwen3moe", tmp_path, WHOLE_BLOCKS), "int4"))) == bits


MIXED = ["Q4_0 Q4_0 Q4_1", "Q4_0 Q4_1 Q4_K", "Q4_K Q4_0 Q4_0", "Q4_K Q4_K Q4_1"]
"""Gates, ways up and down; of Q4_0's files llama.cpp makes some ways down Q4_1."""


@pytest.mark.parametrize(
    ("kinds", "bits"), [*((mixed, 4) for mixed in MIXED), ("Q4_K Q4_K Q6_K", 8), ("Q4_0 Q4_1 MXFP4", 8)]
)
def test_experts_of_several_types_have_4_bits_if_all_do(
    kinds: str, bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Q6_K's ways down, as Q4_K_M has them, are more: the operator has one width for all its matrices."""
    keep_experts_as(kinds, monkeypatch)

    assert bits_of(experts_of(converted(written("qwen3moe", tmp_path, WHOLE_BLOCKS), "int4"))) == bits


@pytest.mark.parametrize("kind", ["Q4_1", "Q4_K", *MIXED])
def test_experts_with_whole_zero_points_stay_near(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_experts_as(kind, monkeypatch)
    source = written("qwen3moe", tmp_path, WHOLE_BLOCKS)

    exact, ours = (LlamaSession(converted(source, weights)).step(TOKEN_IDS)[0] for weights in ("fp16", "int4"))

    assert mean_kl(exact, ours) < 5e-3


@pytest.mark.parametrize("kinds", ["Q4_1", *MIXED[:2]])
def test_experts_with_zero_points_have_the_same_logits_in_company(
    kinds: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_experts_as(kinds, monkeypatch)
    source = written("qwen3moe", tmp_path, WHOLE_BLOCKS)

    proof = proof_of(recorded_logits("qwen3moe"), converted(source, "int4"))

    assert (proof.chunked, proof.in_company) == (True, True)


def join_gates_and_ways_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files that are written have both in one tensor, as llama.cpp's --fuse-gate-up-exps."""
    add, held = GGUFWriter.add_tensor, []

    def joined(writer: GGUFWriter, name: str, tensor: Any, **how: Any) -> None:
        if ".ffn_gate_exps." in name:
            held.append(tensor)
            return
        if ".ffn_up_exps." in name:
            name, tensor = name.replace("up_exps", "gate_up_exps"), np.concatenate([held.pop(), tensor], axis=1)
        add(writer, name, tensor, **how)

    monkeypatch.setattr(GGUFWriter, "add_tensor", joined)


@pytest.mark.parametrize("kind", ["F16", "Q4_0"])
def test_gates_and_ways_up_in_one_tensor_are_those_in_two(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_experts_as(kind, monkeypatch)
    expected = (converted(written("qwen35moe", tmp_path, Sizes()), "int4") / "model.onnx.data").read_bytes()
    join_gates_and_ways_up(monkeypatch)
    (tmp_path / "joined").mkdir()

    folder = converted(written("qwen35moe", tmp_path / "joined", Sizes()), "int4")

    assert (folder / "model.onnx.data").read_bytes() == expected


def test_onnxruntime_has_no_experts_in_mxfp4_on_a_cpu() -> None:
    """When it has, MXFP4 is kept as it is: then this fails."""
    kinds = {"x": TensorProto.FLOAT, "y": TensorProto.FLOAT, "router": TensorProto.FLOAT}
    values = {name: helper.make_tensor_value_info(name, kind, ["rows", 64]) for name, kind in kinds.items()}
    weights = [
        helper.make_tensor("weights", TensorProto.UINT8, (64, 128, 32), bytes(64 * 128 * 32), raw=True),
        helper.make_tensor("down", TensorProto.UINT8, (64, 64, 32), bytes(64 * 64 * 32), raw=True),
        helper.make_tensor("scales", TensorProto.FLOAT8E8M0, (64, 128, 2), bytes(64 * 128 * 2), raw=True),
        helper.make_tensor("down_scales", TensorProto.FLOAT8E8M0, (64, 64, 2), bytes(64 * 64 * 2), raw=True),
        helper.make_tensor("ones", TensorProto.FLOAT, (64,), [1.0] * 64),
    ]
    inputs = ["x", "router", "weights", "scales", "", "down", "down_scales", *[""] * 8, "ones", "ones"]
    at = {"k": 1, "activation_type": "swiglu", "swiglu_fusion": 1, "quant_type": "fp4", "block_size": 32}
    node = helper.make_node("QMoE", inputs, ["y"], domain=MICROSOFT, **at)
    graph = helper.make_graph([node], "experts", [values["x"], values["router"]], [values["y"]], weights)
    opsets = [helper.make_opsetid("", 24), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=11).SerializeToString()

    none = "Float8E8M0|Could not find an implementation for QMoE"  # the latter before onnxruntime 1.31
    with pytest.raises(Exception, match=none):  # the library's own errors derive from nothing else
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def test_mxfp4_rounded_to_other_4_bits_stays_near(tmp_path: Path) -> None:
    assert prove("gpt-oss-mxfp4", "int4", tmp_path).kl < 5e-3


@pytest.mark.parametrize("name", ["mixtral", "gemma4-experts"])
@pytest.mark.parametrize("weights", ["int8", "fp16"])
def test_one_expert_is_in_memory_at_a_time(
    name: str, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, sizes = written(name, tmp_path, replace(RECIPES[name].sizes, layers=3)), []
    dequantize = ModelTensor.dequantize

    def recording(tensor: ModelTensor) -> NDArray[np.float32]:
        sizes.append(math.prod(tensor.shape) if "_exps" in tensor.name else 0)
        return dequantize(tensor)

    monkeypatch.setattr(ModelTensor, "dequantize", recording)

    converted(source, weights)

    assert 0 < max(sizes) <= SIZES.ffn * SIZES.hidden


@pytest.mark.parametrize(
    ("key", "value"),
    [("expert_gating_func", 2), ("expert_weights_scale", 2.5), ("expert_group_count", 2), ("of_tomorrow", 1)],
)
def test_a_key_that_chooses_otherwise_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=rf"'qwen3moe\.{key}' changes the model .*'{value}'"):
        converted(written("qwen3moe", tmp_path, **{key: value}), "int8")


@pytest.mark.parametrize(("normalized", "order"), [(True, ["TopK", "Softmax"]), (False, ["Softmax", "TopK"])])
def test_the_file_may_say_whether_weights_add_up_to_1(normalized: bool, order: list[str], tmp_path: Path) -> None:
    folder = converted(written("qwen3moe", tmp_path, expert_weights_norm=normalized), "int8")

    nodes = onnx.load(folder / "model.onnx", load_external_data=False).graph.node
    assert [node.op_type for node in nodes if node.op_type in ("TopK", "Softmax")][:2] == order


def test_experts_of_an_architecture_without_any_are_refused_with_the_ways_out(tmp_path: Path) -> None:
    source = written("gemma3", tmp_path, RECIPES["gemma3"].sizes, expert_count=128)

    with pytest.raises(ConversionError, match=r"'gemma3\.expert_count' is 128: .* use one without, an ONNX .*as-is"):
        check_gguf(source, "int8")


def test_experts_in_groups_keep_4_bits_matrix_by_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in files of 4 bits, whose ways down have more, because their columns are no whole blocks of Q4_K."""
    write_matrix = Model.matrix

    def write_kind(model: Model, tensor: str, *shape: int, **more: Any) -> None:
        kind = {"gate_up_exps": "Q4_1", "down_exps": "Q8_0"}.get(tensor.partition(".ffn_")[2].partition(".")[0])
        write_matrix(model, tensor, *shape, **more | ({"kind": kind} if kind else {}))

    monkeypatch.setattr(Model, "matrix", write_kind)
    source = written("gemma4-experts", tmp_path, replace(RECIPES["gemma4-experts"].sizes, layers=3))
    targets = [converted(source, weights) for weights in ("fp16", "int4", "int4-fp16")]

    exact, *others = (LlamaSession(target).step(TOKEN_IDS)[0] for target in targets)
    nodes = onnx.load(targets[1] / "model.onnx", load_external_data=False).graph.node
    assert LlamaSession(targets[1]).metadata["jan_ort.onnxruntime"] == "1.31"
    products = [node for node in nodes if "ffn_exps" in node.name and node.op_type == "MatMulNBits"]
    bits = {("gate_up" in node.name, helper.get_node_attr_value(node, "bits")) for node in products}

    assert (len(products), bits) == (3 * 8 * 2, {(True, 4), (False, 8)})
    assert all(mean_kl(exact, other) < 2e-3 for other in others)


def test_more_experts_than_there_are_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"'llama\.expert_used_count' is '9', but an integer from 1 to 8"):
        converted(_of_sizes(tmp_path, Sizes(layers=1, experts_used=9)), "int8")


def test_a_layer_without_its_experts_is_refused(tmp_path: Path) -> None:
    model = Model(tmp_path / "llama.gguf", "llama", SIZES)
    RECIPES["llama"].add(model)
    model.expert_keys()
    model.close()

    with pytest.raises(ConversionError, match=r"'blk\.0\.ffn_gate_inp\.weight' is missing"):
        converted(tmp_path / "llama.gguf", "int8")


def test_experts_that_are_no_whole_blocks_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"experts of 24 hidden values .* --weights fp16"):
        converted(_of_sizes(tmp_path, Sizes(layers=1, ffn=24)), "int8")


def _of_sizes(folder: Path, sizes: Sizes) -> Path:
    model = Model(folder / "mixtral.gguf", "llama", sizes)
    RECIPES["mixtral"].add(model)
    model.close()
    return folder / "mixtral.gguf"
