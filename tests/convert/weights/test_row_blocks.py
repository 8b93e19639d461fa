"""A matrix that is read and written block of rows after block has the bytes of one at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from jan_ort.convert import convert_gguf
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.weights import matrices
from jan_ort.convert.weights.computed_ahead import computed_ahead
from jan_ort.convert.weights.matrices import Matrices, Part
from jan_ort.convert.weights.schemes import Weights
from tests.convert.tiny_llama import HEAD_DIM, HEADS, HIDDEN, INNER, VOCAB, TinyLlama

NUM_ROWS = 48


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "_BLOCK_BYTES", NUM_ROWS * 4 * HIDDEN)


def stacked(blocks: list[NDArray[np.generic]]) -> NDArray[np.generic]:
    return np.concatenate(blocks)


@pytest.mark.parametrize("kind", [Type.F16, Type.Q4_0, Type.Q4_1, Type.Q8_0], ids=lambda kind: kind.name)
@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_blocks_are_the_rows_of_the_whole(
    kind: Type, weights: Weights, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    read = Matrices(GgufFile(TinyLlama(kind).write(tmp_path / "tiny.gguf")), weights)
    order = np.arange(HEAD_DIM)[::-1]
    scale = np.linspace(1, 2, INNER, dtype=np.float32)
    heads = [Part("blk.0.attn_q", HEADS * HEAD_DIM, order), Part("blk.0.attn_k", 2 * HEAD_DIM)]
    asked = (heads, [Part("blk.0.ffn_up", INNER, row_scale=scale)])
    whole = [list(read.quantized(parts, HIDDEN)) for parts in asked] + [list(read.embedding("token_embd", VOCAB, 64))]

    request.getfixturevalue("small_blocks")
    cut = [list(read.quantized(parts, HIDDEN)) for parts in asked] + [list(read.embedding("token_embd", VOCAB, 64))]

    assert [blocks[0].rows for blocks in cut] == [HEAD_DIM, NUM_ROWS, NUM_ROWS]
    for ours, expected in zip(cut, whole, strict=True):
        for name in ("codes", "scales", "zero_points"):
            arrays = [[getattr(block, name) for block in blocks] for blocks in (ours, expected)]
            if arrays[0][0] is not None:
                np.testing.assert_array_equal(*map(stacked, arrays))


@pytest.mark.parametrize("weights", ["fp16", "int4-fp16"])
def test_a_folder_has_the_same_bytes(weights: Weights, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    source = TinyLlama(Type.Q4_1).write(tmp_path / "tiny.gguf")
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
        convert_gguf(source, tmp_path / name, weights=weights, name="tiny")
        request.getfixturevalue("small_blocks")

    assert (tmp_path / "cut/model.onnx.data").read_bytes() == (tmp_path / "whole/model.onnx.data").read_bytes()


def test_results_come_in_order_and_only_a_few_ahead() -> None:
    begun: list[int] = []

    def items() -> list[int]:
        return list(range(50))

    def compute(item: int) -> int:
        begun.append(item)
        return item

    results = computed_ahead(compute, items())
    first = next(results)

    assert len(begun) < 10
    assert [first, *results] == items()
