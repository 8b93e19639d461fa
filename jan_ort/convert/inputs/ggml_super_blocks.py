"""The block formats of ggml with two levels of scales, the K-quants: Q2_K, Q3_K, Q4_K, Q5_K and Q6_K.

A super-block of 256 values has float16 scales, which multiply the small integer scales of its blocks of 16 or 32.
Source: block_q2_K to block_q6_K in llama.cpp's ggml-common.h, and dequantize_row_q2_K to _q6_K in ggml-quants.c.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs.ggml_blocks import AffineBlocks, SymmetricBlocks, centred
from jan_ort.convert.inputs.ggml_bytes import HALF_BYTES, bit_fields, halves, split_blocks

SUPER_BLOCK = 256
"""Values per super-block."""

_GROUP = 32  # neighbouring bytes whose lowest bits are neighbouring values
_TWO_BITS, _FOUR_BITS, _HIGH_BITS = SUPER_BLOCK // 4, SUPER_BLOCK // 2, SUPER_BLOCK // 8  # bytes
_SCALES = SUPER_BLOCK // 16  # blocks of 16, one byte of scale each where scales are not packed
_PACKED_SCALES = 12  # bytes of 16 integers of 6 bits


def q2_k_blocks(raw: NDArray[np.uint8]) -> AffineBlocks:
    """Return the blocks of Q2_K: 16 values, codes 0…3."""
    scales, low, scale, minimum = split_blocks(raw, _SCALES, _TWO_BITS, HALF_BYTES, HALF_BYTES)
    block_scales, block_minimums = np.split(bit_fields(scales, 4, _SCALES), 2, axis=-1)
    return _affine(halves(scale), halves(minimum), block_scales, block_minimums, bit_fields(low, 2, _GROUP))


def q3_k_blocks(raw: NDArray[np.uint8]) -> SymmetricBlocks:
    """Return the blocks of Q3_K: 16 values, codes -4…3."""
    high, low, packed, scale = split_blocks(raw, _HIGH_BITS, _TWO_BITS, _PACKED_SCALES, HALF_BYTES)
    scales = bit_fields(packed[..., :8], 4, 8) | bit_fields(packed[..., 8:], 2, 4) << np.uint8(4)
    codes = bit_fields(low, 2, _GROUP) | bit_fields(high, 1, _GROUP) << np.uint8(2)
    return _symmetric(halves(scale), centred(scales, 32), centred(codes, 4))


def q4_k_blocks(raw: NDArray[np.uint8]) -> AffineBlocks:
    """Return the blocks of Q4_K: 32 values, codes 0…15."""
    scale, minimum, packed, low = split_blocks(raw, HALF_BYTES, HALF_BYTES, _PACKED_SCALES, _FOUR_BITS)
    return _affine(halves(scale), halves(minimum), *_scales_and_minimums(packed), bit_fields(low, 4, _GROUP))


def q5_k_blocks(raw: NDArray[np.uint8]) -> AffineBlocks:
    """Return the blocks of Q5_K: 32 values, codes 0…31."""
    scale, minimum, packed, high, low = split_blocks(
        raw, HALF_BYTES, HALF_BYTES, _PACKED_SCALES, _HIGH_BITS, _FOUR_BITS
    )
    codes = bit_fields(low, 4, _GROUP) | bit_fields(high, 1, _GROUP) << np.uint8(4)
    return _affine(halves(scale), halves(minimum), *_scales_and_minimums(packed), codes)


def q6_k_blocks(raw: NDArray[np.uint8]) -> SymmetricBlocks:
    """Return the blocks of Q6_K: 16 values, codes -32…31."""
    low, high, scales, scale = split_blocks(raw, _FOUR_BITS, _TWO_BITS, _SCALES, HALF_BYTES)
    codes = bit_fields(low, 4, 2 * _GROUP) | bit_fields(high, 2, _GROUP) << np.uint8(4)
    return _symmetric(halves(scale), scales.view(np.int8), centred(codes, 32))


def _scales_and_minimums(packed: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the 6-bit scales and minimums of the 8 blocks, uint8 ``(rows, num_super_blocks, 8)``.

    The first four of each lie in the low bits of bytes 0–3 and 4–7. The others have their low 4 bits in bytes 8–11,
    and their high 2 bits above the first four's.
    """
    scales, minimums, rest = np.split(packed, 3, axis=-1)
    return (
        np.concatenate([scales & 0x3F, rest & 0x0F | scales >> 6 << 4], axis=-1),
        np.concatenate([minimums & 0x3F, rest >> 4 | minimums >> 6 << 4], axis=-1),
    )


def _affine(
    scale: NDArray[np.float32],
    minimum: NDArray[np.float32],
    scales: NDArray[np.uint8],
    minimums: NDArray[np.uint8],
    codes: NDArray[np.uint8],
) -> AffineBlocks:
    """Multiply both levels ``(rows, num_super_blocks)`` and ``(rows, num_super_blocks, blocks)``; minimums are ≥ 0."""
    rows = len(codes)
    block_scale = (scale[..., np.newaxis] * scales).reshape(rows, -1)
    block_minimum = (-minimum[..., np.newaxis] * minimums).reshape(rows, -1)
    return AffineBlocks(block_scale, block_minimum, codes.reshape(*block_scale.shape, -1))


def _symmetric(scale: NDArray[np.float32], scales: NDArray[np.int8], codes: NDArray[np.int8]) -> SymmetricBlocks:
    """Multiply both levels ``(rows, num_super_blocks)`` and ``(rows, num_super_blocks, blocks)``."""
    block_scale = (scale[..., np.newaxis] * scales).reshape(len(codes), -1)
    return SymmetricBlocks(block_scale, codes.reshape(*block_scale.shape, -1))
