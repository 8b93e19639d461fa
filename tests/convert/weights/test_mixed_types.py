"""Files that mix block types, as llama.cpp's quantiser writes them, convert as their dequantised twins do."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from jan_ort.convert import convert_gguf
from jan_ort.convert.inputs.ggml_types import readable_types
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.weights.matrices import Matrices, Part
from jan_ort.convert.weights.schemes import Weights
from jan_ort.ground.model_errors import ConversionError
from tests.convert.inputs.random_blocks import model_blocks
from tests.convert.tiny_llama import HEAD_DIM, HEADS, KV_HEADS, LAYERS, VOCAB, LlamaSession, TinyLlama

WIDTH = 256
SOURCE_TYPES = (Type.F16, Type.BF16, Type.F32)  # each in test_decoder.py
TOKEN_IDS = [3, 200, 17, 45, 45, 9, 120, 77, 250, 1, 33, 8]
# The type of most matrices, of the value and down projections, and of the embedding. The output projection, whose
# 128 columns are no whole super-block, gets the last type, as llama.cpp's quantiser does.
MIXTURES = {
    "Q2_K": (Type.Q2_K, Type.Q3_K, Type.Q6_K, Type.Q4_0),
    "Q3_K_M": (Type.Q3_K, Type.Q5_K, Type.Q6_K, Type.Q4_1),
    "Q4_K_M": (Type.Q4_K, Type.Q6_K, Type.Q6_K, Type.Q5_0),
    "Q5_K_M": (Type.Q5_K, Type.Q6_K, Type.Q6_K, Type.Q5_1),
    "Q6_K": (Type.Q6_K, Type.Q6_K, Type.Q6_K, Type.Q8_0),
    "IQ1_S": (Type.IQ1_S, Type.IQ1_M, Type.Q4_K, Type.IQ4_NL),
    "IQ2_XS": (Type.IQ2_XS, Type.IQ2_XXS, Type.Q4_K, Type.IQ4_NL),
    "IQ3_S": (Type.IQ3_S, Type.IQ2_S, Type.Q5_K, Type.IQ4_NL),
    "IQ4_XS": (Type.IQ4_XS, Type.IQ3_XXS, Type.Q6_K, Type.Q5_0),
    "MXFP4": (Type.MXFP4, Type.Q8_0, Type.Q6_K, Type.MXFP4),
    "NVFP4": (Type.NVFP4, Type.NVFP4, Type.Q6_K, Type.NVFP4),
    "TQ1_0": (Type.TQ1_0, Type.TQ2_0, Type.Q4_K, Type.IQ4_NL),
}

mixtures = pytest.mark.parametrize("mixture", MIXTURES)


def mixed_llama(mixture: str) -> TinyLlama:
    """Return a llama of random blocks, whose ``tensors`` are the blocks' values."""
    most, some, embedding, narrow = MIXTURES[mixture]
    matrices = {"token_embd": (embedding, VOCAB, WIDTH)}
    for layer in range(LAYERS):
        prefix = f"blk.{layer}"
        matrices |= {f"{prefix}.attn_q": (most, HEADS * HEAD_DIM, WIDTH), f"{prefix}.ffn_gate": (most, WIDTH, WIDTH)}
        matrices |= {f"{prefix}.attn_k": (most, KV_HEADS * HEAD_DIM, WIDTH), f"{prefix}.ffn_up": (most, WIDTH, WIDTH)}
        matrices |= {f"{prefix}.attn_v": (some, KV_HEADS * HEAD_DIM, WIDTH), f"{prefix}.ffn_down": (some, WIDTH, WIDTH)}
        matrices |= {f"{prefix}.attn_output": (narrow, WIDTH, HEADS * HEAD_DIM)}
    blocks = {
        f"{name}.weight": (kind, model_blocks(kind, (rows, columns), seed))
        for seed, (name, (kind, rows, columns)) in enumerate(matrices.items())
    }
    tensors = {name: gguf.dequantize(raw, kind) for name, (kind, raw) in blocks.items()}
    norms = ["output_norm", *(f"blk.{layer}.{part}_norm" for layer in range(LAYERS) for part in ("attn", "ffn"))]
    # Around 0.5, not 1: rows are four times as wide as the other tiny llama's, and attention would only pick one token.
    norm = np.random.default_rng(9).normal(0.5, 0.1, WIDTH).astype(np.float32)
    tensors |= {f"{name}.weight": norm for name in norms}
    return TinyLlama(tensors=tensors, blocks=blocks, metadata=widths())


def widths() -> dict[str, int]:
    return {"llama.embedding_length": WIDTH, "llama.feed_forward_length": WIDTH}


def convert(model: TinyLlama, folder: Path, weights: Weights = "int8") -> Path:
    folder.mkdir()
    target = folder / "target"
    target.mkdir()
    convert_gguf(model.write(folder / "tiny.gguf"), target, weights=weights)
    return target


def relative_error(actual: NDArray[np.float32], expected: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


@mixtures
def test_blocks_convert_to_the_bytes_of_their_float32_values(mixture: str, tmp_path: Path) -> None:
    model = mixed_llama(mixture)
    floats = TinyLlama(tensors=model.tensors, metadata=widths())

    mixed, twin = convert(model, tmp_path / "mixed"), convert(floats, tmp_path / "floats")

    assert (mixed / "model.onnx").read_bytes() == (twin / "model.onnx").read_bytes()
    assert (mixed / "model.onnx.data").read_bytes() == (twin / "model.onnx.data").read_bytes()


@mixtures
@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_logits_are_near_the_forward_pass(mixture: str, weights: Weights, tmp_path: Path) -> None:
    model = mixed_llama(mixture)

    logits, _, _ = LlamaSession(convert(model, tmp_path / "mixed", weights)).step(TOKEN_IDS)

    assert relative_error(logits, model.forward(TOKEN_IDS)) < 0.05


def test_every_block_type_is_in_a_mixture_or_is_that_of_a_whole_llama() -> None:
    mixed = {kind.name for mixture in MIXTURES.values() for kind in mixture}

    assert mixed | {kind.name for kind in SOURCE_TYPES} >= set(readable_types())


@pytest.mark.parametrize("kind", [Type.Q4_K, Type.IQ4_XS, Type.TQ2_0], ids=lambda kind: kind.name)
def test_a_block_whose_scale_is_no_number_is_refused_by_name(kind: Type, tmp_path: Path) -> None:
    model = mixed_llama("Q4_K_M")
    blocks = model_blocks(kind, (WIDTH, WIDTH), 1)
    half = 64 if kind is Type.TQ2_0 else 0
    blocks[3, half : half + 2] = [0x00, 0x7E]
    model.blocks["blk.1.ffn_up.weight"] = (kind, blocks)

    with pytest.raises(ConversionError, match=r"tensor 'blk\.1\.ffn_up\.weight' is damaged \(not finite\)"):
        convert(model, tmp_path / "damaged")


@pytest.mark.parametrize(("weights", "bits"), [("int8", 8), ("int4", 4)])
def test_int4_keeps_the_codes_of_q4_k_and_int8_does_not(weights: Weights, bits: int, tmp_path: Path) -> None:
    source = GgufFile(mixed_llama("Q4_K_M").write(tmp_path / "tiny.gguf"))

    matrices = Matrices(source, weights)

    assert next(matrices.quantized([Part("blk.0.ffn_gate", WIDTH)], WIDTH)).bits == bits
    assert next(matrices.quantized([Part("blk.0.ffn_down", WIDTH)], WIDTH)).bits == 8
