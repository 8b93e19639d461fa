"""Quantised blocks against slow obvious twins and the gguf package's own dequantisation."""

from __future__ import annotations

from dataclasses import replace

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from jan_ort.convert.inputs.ggml_codes import AffineBlocks, four_bit_blocks, q8_0_blocks
from jan_ort.convert.weights.quantization import (
    QuantizedMatrix,
    affine_4bit,
    cat_4bit,
    from_q8_0,
    nearest_4bit,
    no_blocks,
    pack_4bit,
    quantize_8bit,
    quantize_symmetric_4bit,
    with_even_blocks,
)
from tests.convert.inputs.random_blocks import affine_values, model_blocks

FLOATS = st.floats(-1000, 1000, width=32)
MATRICES = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=70), elements=FLOATS)
SEEDS = st.integers(0, 2**32 - 1)


def unpack(packed: NDArray[np.uint8], count: int) -> list[int]:
    """Return the first ``count`` nibbles, low before high, one by one."""
    return [int(packed[i // 2]) >> (4 * (i % 2)) & 15 for i in range(count)]


def values_of(matrix: QuantizedMatrix) -> NDArray[np.float64]:
    """Return what the operator multiplies by, ``(rows, columns)``, one value at a time."""
    rows, num_blocks = matrix.scales.shape
    values = np.zeros((rows, num_blocks * matrix.block_size))
    for row in range(rows):
        zeros = [128] * num_blocks
        if matrix.zero_points is not None:
            zeros = unpack(matrix.zero_points[row], num_blocks)
        for block in range(num_blocks):
            codes = matrix.codes[row, block]
            for i, code in enumerate(codes if matrix.bits == 8 else unpack(codes, matrix.block_size)):
                values[row, block * matrix.block_size + i] = (int(code) - zeros[block]) * matrix.scales[row, block]
    return values[:, : matrix.columns]


@given(MATRICES, st.sampled_from([16, 32, 64]))
def test_8_bit_values_are_off_by_at_most_half_a_step(weights: NDArray[np.float32], block_size: int) -> None:
    matrix = quantize_8bit(weights, block_size)

    error = np.abs(values_of(matrix) - weights)

    steps = matrix.scales.repeat(block_size, axis=1)[:, : weights.shape[1]].astype(np.float64)
    assert (error <= steps * 0.5001).all()


@given(SEEDS)
def test_q8_0_is_carried_over_without_loss(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(0, 3, (4, 64)).astype(np.float32)
    raw = gguf.quantize(weights, Type.Q8_0)

    matrix = from_q8_0(*q8_0_blocks(raw))

    np.testing.assert_array_equal(values_of(matrix).astype(np.float32), gguf.dequantize(raw, Type.Q8_0))


@given(SEEDS)
def test_cat_of_q4_0_is_exact_and_needs_no_extra_columns(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(0, 3, (4, 96)).astype(np.float32)
    raw = gguf.quantize(weights, Type.Q4_0)

    matrix = cat_4bit(four_bit_blocks("Q4_0", raw), has_residuals=False)

    assert matrix.extra_columns == 0
    np.testing.assert_allclose(values_of(matrix), gguf.dequantize(raw, Type.Q4_0), rtol=1e-6)


@given(SEEDS)
def test_symmetric_4_bits_keep_q4_0(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(0, 3, (4, 96)).astype(np.float32)
    weights[0, :32] = 0
    stored = gguf.dequantize(gguf.quantize(weights, Type.Q4_0), Type.Q4_0)

    matrix = quantize_symmetric_4bit(stored, 32)

    np.testing.assert_allclose(values_of(replace(matrix, zero_points=np.full((4, 2), 0x88, np.uint8))), stored)


@given(SEEDS)
def test_cat_of_q4_1_multiplies_nearly_like_the_blocks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = gguf.quantize(rng.normal(0, 3, (8, 96)).astype(np.float32), Type.Q4_1)
    x = rng.normal(0, 1, (5, 96))

    matrix = cat_4bit(four_bit_blocks("Q4_1", raw))
    sums = np.zeros((5, matrix.extra_columns))
    sums[:, :3] = x.reshape(5, 3, 32).sum(axis=-1)
    product = np.concatenate([x, sums], axis=1) @ values_of(matrix).T

    exact = x @ gguf.dequantize(raw, Type.Q4_1).T.astype(np.float64)
    assert np.abs(product - exact).max() < 0.02 * np.abs(exact).max()


@given(SEEDS)
def test_cat_of_q4_k_multiplies_nearly_like_the_blocks(seed: int) -> None:
    raw = model_blocks(Type.Q4_K, (8, 256), seed)
    x = np.random.default_rng(seed).normal(0, 1, (5, 256))

    matrix = cat_4bit(four_bit_blocks("Q4_K", raw))
    sums = np.zeros((5, matrix.extra_columns))
    sums[:, :8] = x.reshape(5, 8, 32).sum(axis=-1)
    product = np.concatenate([x, sums], axis=1) @ values_of(matrix).T

    exact = x @ gguf.dequantize(raw, Type.Q4_K).T.astype(np.float64)
    assert np.abs(product - exact).max() < 0.02 * np.abs(exact).max()


def test_cat_keeps_constant_and_empty_blocks() -> None:
    scale = np.array([[0.0, 0.0]], np.float32)
    minimum = np.array([[1.5, 0.0]], np.float32)
    blocks = AffineBlocks(scale, minimum, np.zeros((1, 2, 32), np.uint8))

    matrix = cat_4bit(blocks)
    values = values_of(matrix)

    assert values[0, 64] == pytest.approx(1.5)
    assert np.abs(values[0, :64]).max() < 1e-6
    assert np.abs(values[0, 65:]).max() < 1e-6


@given(arrays(np.uint8, st.integers(1, 40).map(lambda n: (2 * n,)), elements=st.integers(0, 15)))
def test_packing_can_be_undone(codes: NDArray[np.uint8]) -> None:
    assert unpack(pack_4bit(codes), len(codes)) == codes.tolist()


@given(SEEDS)
def test_an_odd_number_of_blocks_is_made_even_by_zeros(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(0, 3, (4, 96)).astype(np.float32)
    matrix = cat_4bit(four_bit_blocks("Q4_0", gguf.quantize(weights, Type.Q4_0)), has_residuals=False)

    even = with_even_blocks(matrix)

    assert (even.columns, even.extra_columns, even.codes.shape[1]) == (128, 32, 4)
    np.testing.assert_array_equal(values_of(even), np.pad(values_of(matrix), ((0, 0), (0, 32))))
    assert with_even_blocks(even) is even


@given(SEEDS)
def test_rounding_to_4_bits_is_no_worse_than_ggml_s(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(0, 3, (4, 96)).astype(np.float32)

    values = affine_values(affine_4bit(weights))

    theirs = gguf.dequantize(gguf.quantize(weights, Type.Q4_1), Type.Q4_1)
    assert np.linalg.norm(values - weights) <= 1.02 * np.linalg.norm(theirs - weights)


@given(SEEDS)
def test_the_nearest_whole_zero_points_keep_q4_0(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(0, 3, (4, 96)).astype(np.float32)
    blocks = four_bit_blocks("Q4_0", gguf.quantize(weights, Type.Q4_0))

    np.testing.assert_allclose(values_of(nearest_4bit(blocks)), affine_values(blocks), rtol=1e-6)


@given(SEEDS)
def test_the_nearest_whole_zero_points_lose_less_than_rounding_without_any(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(0, 3, (4, 1024)).astype(np.float32)
    blocks = four_bit_blocks("Q4_1", gguf.quantize(weights, Type.Q4_1))
    values = affine_values(blocks)

    lost = np.linalg.norm(values_of(nearest_4bit(blocks)) - values)

    assert lost < 0.08 * np.linalg.norm(values)
    assert lost < np.linalg.norm(values_of(quantize_symmetric_4bit(values, 32)) - values)


def test_the_nearest_whole_zero_points_keep_constant_and_empty_blocks() -> None:
    minimum = np.array([[1.5, -2.0, 0.0]], np.float32)
    blocks = replace(no_blocks(1, 96), minimum=minimum)

    np.testing.assert_allclose(values_of(nearest_4bit(blocks)), np.repeat(minimum, 32, axis=1), rtol=1e-6)
