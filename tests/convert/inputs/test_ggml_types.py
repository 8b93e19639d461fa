"""Stored blocks against ggml's own values and slow obvious twins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jan_ort.convert.inputs import ggml_types
from jan_ort.convert.inputs.ggml_codes import FOUR_BIT_TYPES, four_bit_blocks, q8_0_blocks
from jan_ort.convert.inputs.ggml_types import dequantize, readable_types
from tests.convert.inputs.random_blocks import BLOCK_TYPES, affine_values, any_blocks

FIXTURE = Path(__file__).parents[2] / "fixtures" / "ggml" / "blocks.npz"
SEEDS = st.integers(0, 2**32 - 1)
Reader = Callable[[NDArray[np.uint8], int], np.float32]

block_types = pytest.mark.parametrize("kind", BLOCK_TYPES, ids=lambda kind: kind.name)


def bits(values: NDArray[np.float32]) -> list[int]:
    """Return the values' bits, in which 0 and -0 differ."""
    words: list[int] = np.ascontiguousarray(values, np.float32).view(np.uint32).ravel().tolist()
    return words


def half(block: NDArray[np.uint8], offset: int) -> np.float32:
    return np.float32(block[offset : offset + 2].view("<f2")[0])


def q4_k_value(block: NDArray[np.uint8], i: int) -> np.float32:
    """Return value ``i`` of a Q4_K block, one at a time: get_scale_min_k4 and dequantize_row_q4_K in ggml-quants.c."""
    scales, codes, j = block[4:16].tolist(), block[16:].tolist(), i // 32
    if j < 4:
        scale, minimum = scales[j] & 63, scales[j + 4] & 63
    else:
        scale = scales[j + 4] & 0x0F | (scales[j - 4] >> 6) << 4
        minimum = scales[j + 4] >> 4 | (scales[j] >> 6) << 4
    code = codes[j // 2 * 32 + i % 32] >> 4 * (j % 2) & 0x0F
    return half(block, 0) * np.float32(scale) * np.float32(code) - half(block, 2) * np.float32(minimum)


def q6_k_value(block: NDArray[np.uint8], i: int) -> np.float32:
    """Return value ``i`` of a Q6_K block, one at a time: dequantize_row_q6_K in ggml-quants.c."""
    part, quarter, column = i // 128, i % 128 // 32, i % 32
    low = int(block[part * 64 + quarter % 2 * 32 + column]) >> 4 * (quarter // 2) & 0x0F
    high = int(block[128 + part * 32 + column]) >> 2 * quarter & 3
    scale = int(block[192:208].view(np.int8)[i // 16])
    return half(block, 208) * np.float32(scale) * np.float32((low | high << 4) - 32)


@block_types
def test_values_are_the_bits_that_ggml_computes(kind: Type) -> None:
    with np.load(FIXTURE) as recorded:
        raw, expected = recorded[f"{kind.name}.raw"], recorded[f"{kind.name}.values"]

    values = dequantize(kind.name, raw)

    assert values.dtype == np.float32
    assert values.shape == expected.shape
    assert bits(values) == bits(expected)


@block_types
@given(SEEDS)
def test_any_bytes_are_values_and_no_error(kind: Type, seed: int) -> None:
    block_size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    raw = np.random.default_rng(seed).integers(0, 256, (3, 512 // block_size * block_bytes), np.uint8)

    values = dequantize(kind.name, raw)

    assert (values.shape, values.dtype) == ((3, 512), np.float32)


@pytest.mark.parametrize("kind", [Type.Q8_0, Type.IQ4_XS, Type.BF16], ids=lambda kind: kind.name)
def test_rows_that_are_dequantised_in_turns_are_those_of_the_whole(kind: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    block_size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    raw = np.random.default_rng(5).integers(0, 256, (37, 256 // block_size * block_bytes), np.uint8)
    whole = dequantize(kind.name, raw)

    monkeypatch.setattr(ggml_types, "_PIECE_BYTES", 4 * 256 * 5)

    assert bits(dequantize(kind.name, raw)) == bits(whole)


@pytest.mark.parametrize("name", ["F16", "BF16", "F32"])
@given(SEEDS)
def test_floats_are_the_bits_of_the_gguf_package(name: str, seed: int) -> None:
    raw = gguf.quantize(np.random.default_rng(seed).normal(0, 3, (5, 96)).astype(np.float32), Type[name])

    values = dequantize(name, raw)

    assert bits(values) == bits(gguf.dequantize(raw, Type[name]))


@pytest.mark.parametrize(("kind", "value"), [(Type.Q4_K, q4_k_value), (Type.Q6_K, q6_k_value)])
@given(SEEDS)
def test_values_are_those_read_one_at_a_time(kind: Type, value: Reader, seed: int) -> None:
    raw = any_blocks(kind, (1, 256), seed)

    values = dequantize(kind.name, raw)

    assert bits(values) == bits(np.array([value(raw[0], i) for i in range(256)]))


@pytest.mark.parametrize("name", FOUR_BIT_TYPES)
@given(SEEDS)
def test_four_bit_blocks_have_the_values_of_the_type(name: str, seed: int) -> None:
    raw = any_blocks(Type[name], (3, 512), seed)

    blocks = four_bit_blocks(name, raw)

    assert blocks.codes.dtype == np.uint8
    assert blocks.codes.max() <= 15
    np.testing.assert_array_equal(affine_values(blocks), dequantize(name, raw))


def test_an_infinite_scale_is_no_warning_but_values_that_are_not_finite() -> None:
    raw = any_blocks(Type.Q8_0, (1, 32), 0)
    raw[0, :3] = [0x00, 0x7C, 0]  # the scale is infinite, and the first code 0

    values = dequantize("Q8_0", raw)

    assert np.isnan(values[0, 0])


@given(SEEDS)
def test_q8_0_blocks_have_the_values_of_the_type(seed: int) -> None:
    raw = any_blocks(Type.Q8_0, (3, 512), seed)

    scale, codes = q8_0_blocks(raw)

    assert bits(scale[..., np.newaxis] * codes) == bits(dequantize("Q8_0", raw))


def test_every_block_type_that_ggml_computes_with_can_be_read() -> None:
    assert {kind.name for kind in BLOCK_TYPES} | {"F16", "BF16", "F32"} <= set(readable_types())
    assert not {"I8", "I32", "F64", "Q8_1", "Q8_K"} & set(readable_types())
