"""The block formats of ggml with one scale for 32 values: Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0.

Source: block_q4_0 to block_q8_0 in llama.cpp's ggml-common.h, and dequantize_row_q4_0 to _q8_0 in ggml-quants.c.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs.ggml_bytes import HALF_BYTES, bit_fields, halves, split_blocks

GGML_BLOCK = 32
"""Values per block, in all of the types above."""

_NIBBLE_BYTES = GGML_BLOCK // 2
_HIGH_BIT_BYTES = GGML_BLOCK // 8  # the fifth bits of a block


@dataclass(frozen=True, slots=True)
class AffineBlocks:
    """Blocks whose value = scale · code + minimum.

    ``scale`` and ``minimum`` float32 ``(rows, num_blocks)``; ``codes`` uint8 ``(rows, num_blocks, block_size)``.
    """

    scale: NDArray[np.float32]
    minimum: NDArray[np.float32]
    codes: NDArray[np.uint8]

    def values(self) -> NDArray[np.float32]:
        """Return the values float32 ``(rows, num_blocks, block_size)``."""
        return self.scale[..., np.newaxis] * self.codes + self.minimum[..., np.newaxis]


@dataclass(frozen=True, slots=True)
class SymmetricBlocks:
    """Blocks whose value = scale · code: float32 ``(rows, num_blocks)``, int8 ``(rows, num_blocks, block_size)``."""

    scale: NDArray[np.float32]
    codes: NDArray[np.int8]

    def values(self) -> NDArray[np.float32]:
        """Return the values float32 ``(rows, num_blocks, block_size)``."""
        return self.scale[..., np.newaxis] * self.codes


def q4_0_blocks(raw: NDArray[np.uint8]) -> SymmetricBlocks:
    """Return the blocks of Q4_0, whose codes are -8…7."""
    scale, packed = split_blocks(raw, HALF_BYTES, _NIBBLE_BYTES)
    return SymmetricBlocks(halves(scale), centred(bit_fields(packed, 4, _NIBBLE_BYTES), 8))


def q4_1_blocks(raw: NDArray[np.uint8]) -> AffineBlocks:
    """Return the blocks of Q4_1, whose codes are 0…15."""
    scale, minimum, packed = split_blocks(raw, HALF_BYTES, HALF_BYTES, _NIBBLE_BYTES)
    return AffineBlocks(halves(scale), halves(minimum), bit_fields(packed, 4, _NIBBLE_BYTES))


def q5_0_blocks(raw: NDArray[np.uint8]) -> SymmetricBlocks:
    """Return the blocks of Q5_0, whose codes are -16…15."""
    scale, high, low = split_blocks(raw, HALF_BYTES, _HIGH_BIT_BYTES, _NIBBLE_BYTES)
    return SymmetricBlocks(halves(scale), centred(_five_bits(low, high), 16))


def q5_1_blocks(raw: NDArray[np.uint8]) -> AffineBlocks:
    """Return the blocks of Q5_1, whose codes are 0…31."""
    scale, minimum, high, low = split_blocks(raw, HALF_BYTES, HALF_BYTES, _HIGH_BIT_BYTES, _NIBBLE_BYTES)
    return AffineBlocks(halves(scale), halves(minimum), _five_bits(low, high))


def q8_0_blocks(raw: NDArray[np.uint8]) -> SymmetricBlocks:
    """Return the blocks of Q8_0, whose codes are -128…127."""
    scale, codes = split_blocks(raw, HALF_BYTES, GGML_BLOCK)
    return SymmetricBlocks(halves(scale), codes.view(np.int8))


def centred(codes: NDArray[np.uint8], middle: int) -> NDArray[np.int8]:
    """Return the codes less ``middle``, which stands for 0."""
    return codes.view(np.int8) - np.int8(middle)


def _five_bits(low: NDArray[np.uint8], high: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Join the nibbles and the fifth bits, which are in the order of the values."""
    return bit_fields(low, 4, _NIBBLE_BYTES) | bit_fields(high, 1, 1) << np.uint8(4)
