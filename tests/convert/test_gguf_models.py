"""Each architecture computes what llama.cpp computes of the same small file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFWriter

from jan_ort.convert import convert_gguf
from jan_ort.convert.weights.schemes import Weights
from jan_ort.ground.model_errors import ConversionError
from tests.convert.gguf_proof import mean_kl, prove
from tests.convert.tiny_llama import LlamaSession
from tests.fixtures.gguf_models import DENSE, OTHERS, write
from tests.fixtures.gguf_models.model import Model
from tests.fixtures.gguf_models.recordings import TOKEN_IDS

SIXTY_FOUR_LAYERS = ("exaone4-32b", "command-r-plus")
"""Rounding adds up over layers: four times as much is allowed of sixteen times as many."""


@pytest.mark.parametrize("name", DENSE)
def test_an_unquantised_graph_has_the_logits_of_llama_cpp(name: str, tmp_path: Path) -> None:
    proof = prove(name, "fp16", tmp_path)

    assert proof.kl <= (2e-5 if name in SIXTY_FOUR_LAYERS else 5e-6)
    assert proof.num_best == len(TOKEN_IDS)
    assert proof.chunked


@pytest.mark.parametrize("name", DENSE)
def test_8_bits_stay_near_and_give_the_same_bits_in_any_chunks_and_company(name: str, tmp_path: Path) -> None:
    proof = prove(name, "int8", tmp_path)

    assert proof.kl <= (8e-3 if name in SIXTY_FOUR_LAYERS else 2e-3)
    assert proof.chunked
    assert proof.in_company


@pytest.mark.parametrize("name", ["phi3", "phi3-partial", "glm4", "falcon", "gpt2"])
def test_rows_of_a_fused_tensor_keep_their_4_bits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_matrix = Model.matrix

    def write_4_bits(model: Model, tensor: str, *shape: int, kind: str = "F16") -> None:
        write_matrix(model, tensor, *shape, kind="Q4_0" if kind == "F16" and "embd" not in tensor else kind)

    monkeypatch.setattr(Model, "matrix", write_4_bits)
    schemes: tuple[Weights, ...] = ("fp16", "int4-fp16")
    path, logits = write(name, tmp_path), []
    for weights in schemes:
        target = tmp_path / weights
        target.mkdir()
        convert_gguf(path, target, weights=weights)
        logits.append(LlamaSession(target).step(TOKEN_IDS)[0])

    assert mean_kl(*logits) < 5e-6


def test_gated_queries_keys_and_values_in_one_tensor_are_those_in_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As llama.cpp's --fuse-qkv writes them; layers with a state have a tensor of that name, too."""
    converted(tmp_path / "apart")
    add, held = GGUFWriter.add_tensor, []

    def joined(writer: GGUFWriter, name: str, tensor: Any, **how: Any) -> None:
        if name.endswith((".attn_q.weight", ".attn_k.weight", ".attn_v.weight")):
            held.append(tensor)
            if len(held) < 3:
                return
            name, tensor = name.replace("attn_v", "attn_qkv"), np.concatenate(held)
            held.clear()
        add(writer, name, tensor, **how)

    monkeypatch.setattr(GGUFWriter, "add_tensor", joined)

    converted(tmp_path / "joined")

    apart, one = ((tmp_path / name / "int8" / "model.onnx.data").read_bytes() for name in ("apart", "joined"))
    assert one == apart


def converted(folder: Path) -> None:
    """Write and convert Qwen 3.5's file in a new folder."""
    (folder / "int8").mkdir(parents=True)
    convert_gguf(write("qwen35", folder), folder / "int8", weights="int8")


@pytest.mark.parametrize(("kind", "weights"), [("F32", "fp16"), ("F32", "int8"), ("Q4_0", "int4"), ("Q4_1", "int4")])
def test_matrices_are_multiplied_by_numbers_of_their_own(
    kind: str, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NVFP4's are: the experts of a layer have one each, and twos are what ones with twice the values are."""
    write_matrix = Model.matrix

    def write_scaled(model: Model, tensor: str, *shape: int, scale: float = 1.0, **more: str) -> None:
        is_scaled = tensor.startswith("blk") and "gate_inp" not in tensor
        number = 2.0 if is_scaled else 1.0
        more = {"kind": kind} if is_scaled else more
        write_matrix(model, tensor, *shape, scale=scale if apart else scale * number, **more)
        if is_scaled and apart:
            count = shape[0] if len(shape) == 3 else 1
            for name, value in (("scale", number), ("input_scale", 0.1)):
                model.writer.add_tensor(tensor.replace("weight", name), np.full(count, value, np.float32))

    monkeypatch.setattr(Model, "matrix", write_scaled)
    found = []
    for apart in (True, False):
        folder = tmp_path / str(apart)
        (folder / weights).mkdir(parents=True)
        convert_gguf(write("qwen3moe", folder), folder / weights, weights=weights)
        found.append(LlamaSession(folder / weights).step(TOKEN_IDS)[0])

    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_supported_is_refused_by_name(name: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()

    with pytest.raises(ConversionError, match=r"is not supported|changes the model in a way that is not supported"):
        convert_gguf(write(name, tmp_path), target)

    assert list(target.iterdir()) == []


def test_the_documentation_has_a_line_for_each_file() -> None:
    document = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    table = document.split("<!-- begin: gguf models -->\n")[1].split("<!-- end: gguf models -->")[0]

    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == list(DENSE)
