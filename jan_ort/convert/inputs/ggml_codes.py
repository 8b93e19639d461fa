"""The codes in ggml's blocks, for the types whose codes a graph keeps as they are: Q4_0, Q4_1, Q4_K and Q8_0.

Source: block_q4_0, block_q4_1, block_q4_K and block_q8_0 in llama.cpp's ggml-common.h, and their dequantize_row_… in
ggml-quants.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GGML_BLOCK = 32
"""Values with one scale, in all of the types above."""

FOUR_BIT_TYPES = ("Q4_0", "Q4_1", "Q4_K")
"""The types of :func:`four_bit_blocks`."""

STORED_IN_4_BITS = (*FOUR_BIT_TYPES, "MXFP4")

_HALF = 2  # bytes of a float16
_NIBBLES = GGML_BLOCK // 2  # bytes of a block's codes of 4 bits
_PACKED_SCALES, _SUPER_NIBBLES = 12, 128  # bytes of a super-block of Q4_K: 16 integers of 6 bits, 256 codes


@dataclass(frozen=True, slots=True)
class AffineBlocks:
    """Blocks whose value = scale · code + minimum.

    ``scale`` and ``minimum`` float32 ``(rows, num_blocks)``; ``codes`` uint8 ``(rows, num_blocks, block_size)``.
    """

    scale: NDArray[np.float32]
    minimum: NDArray[np.float32]
    codes: NDArray[np.uint8]

    def values(self) -> NDArray[np.float32]:
        """Return the values float32 ``(rows, columns)``."""
        values: NDArray[np.float32] = self.codes * self.scale[..., np.newaxis]
        values += self.minimum[..., np.newaxis]
        return values.reshape(len(values), -1)


def four_bit_blocks(type_name: str, raw: NDArray[np.uint8]) -> AffineBlocks:
    """Return the blocks of 32 values of a 4-bit type with codes 0…15; Q4_0 gets the minimum -8 · scale it implies."""
    if type_name == "Q4_0":
        halves, packed = _fields(raw, _HALF, _NIBBLES)
        scale = _numbers(halves)
        return AffineBlocks(scale, -8 * scale, _nibbles(packed, _NIBBLES))
    if type_name == "Q4_1":
        halves, minimums, packed = _fields(raw, _HALF, _HALF, _NIBBLES)
        return AffineBlocks(_numbers(halves), _numbers(minimums), _nibbles(packed, _NIBBLES))
    assert type_name == "Q4_K", type_name
    return _q4_k_blocks(raw)


def q8_0_blocks(raw: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Return scales float32 ``(rows, num_blocks)`` and codes int8 ``(rows, num_blocks, 32)``; value = scale · code."""
    halves, codes = _fields(raw, _HALF, GGML_BLOCK)
    return _numbers(halves), codes.view(np.int8)


def _q4_k_blocks(raw: NDArray[np.uint8]) -> AffineBlocks:
    """Multiply the super-block's float16 numbers with the 6-bit integers of its 8 blocks; minimums are below 0."""
    halves, minimum_halves, packed, low = _fields(raw, _HALF, _HALF, _PACKED_SCALES, _SUPER_NIBBLES)
    scales, minimums, rest = np.split(packed, 3, axis=-1)
    # The first four scales and minimums lie in the low bits of bytes 0-3 and 4-7. The others have their low 4 bits in
    # bytes 8-11, and their high 2 bits above the first four's.
    block_scales = np.concatenate([scales & 0x3F, rest & 0x0F | scales >> 6 << 4], axis=-1)
    block_minimums = np.concatenate([minimums & 0x3F, rest >> 4 | minimums >> 6 << 4], axis=-1)
    scale = (_numbers(halves)[..., np.newaxis] * block_scales).reshape(len(packed), -1)
    minimum = (-_numbers(minimum_halves)[..., np.newaxis] * block_minimums).reshape(len(packed), -1)
    return AffineBlocks(scale, minimum, _nibbles(low, GGML_BLOCK).reshape(*scale.shape, GGML_BLOCK))


def _fields(raw: NDArray[Any], *sizes: int) -> list[NDArray[np.uint8]]:
    """Cut rows ``(rows, bytes)`` into fields of ``sizes`` bytes, which make one block: ``(rows, num_blocks, size)``."""
    return np.split(raw.reshape(len(raw), -1, sum(sizes)), np.cumsum(sizes)[:-1], axis=-1)


def _numbers(field: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Read little-endian float16 ``(rows, num_blocks, 2)`` as float32 ``(rows, num_blocks)``."""
    return np.ascontiguousarray(field).view("<f2")[..., 0].astype(np.float32)


def _nibbles(packed: NDArray[np.uint8], group: int) -> NDArray[np.uint8]:
    """Unpack 4-bit codes: of each ``group`` neighbouring bytes come first the low nibbles of all, then the high."""
    groups = packed.reshape(*packed.shape[:2], -1, 1, group)
    codes = groups >> np.array([[0], [4]], np.uint8) & np.uint8(0x0F)  # (rows, num_blocks, groups, 2, group)
    return codes.reshape(*packed.shape[:2], -1)
