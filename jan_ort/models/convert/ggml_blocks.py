"""The block formats of ggml: how stored bytes become scales, minimums, codes and float32 values.

Source: block_q4_0, block_q4_1 and block_q8_0 in llama.cpp's ggml-common.h, and their dequantize_row functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_TYPES = ("Q4_0", "Q4_1", "Q8_0", "F16", "BF16", "F32")
"""The tensor types that can be read, as ggml spells them."""

GGML_BLOCK = 32
"""Values per block, in all of the quantised types above."""

_HALF = 2  # bytes of a float16


@dataclass(frozen=True, slots=True)
class AffineBlocks:
    """Four-bit blocks: value = scale · code + minimum.

    ``scale`` and ``minimum`` float32 ``(rows, num_blocks)``; ``codes`` uint8 0…15 ``(rows, num_blocks, 32)``.
    """

    scale: NDArray[np.float32]
    minimum: NDArray[np.float32]
    codes: NDArray[np.uint8]


def dequantize(type_name: str, raw: NDArray[Any]) -> NDArray[np.float32]:
    """Return stored values as float32; ``raw`` is float, or uint8 ``(rows, bytes)``, and rows are kept."""
    if type_name in ("F32", "F16"):
        return raw.astype(np.float32)
    if type_name == "BF16":
        return (np.ascontiguousarray(raw).view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if type_name == "Q8_0":
        scale, codes = q8_0_blocks(raw)
        values = scale[..., np.newaxis] * codes
    else:
        blocks = affine_blocks(type_name, raw)
        values = blocks.scale[..., np.newaxis] * blocks.codes + blocks.minimum[..., np.newaxis]
    rows, num_blocks, block = values.shape
    return values.reshape(rows, num_blocks * block)


def q8_0_blocks(raw: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Return the scales float32 ``(rows, num_blocks)`` and codes int8 ``(rows, num_blocks, 32)`` of Q8_0."""
    blocks = _split(raw, _HALF + GGML_BLOCK)
    return _halves(blocks, 0), blocks[..., _HALF:].view(np.int8)


def affine_blocks(type_name: str, raw: NDArray[np.uint8]) -> AffineBlocks:
    """Return Q4_1 blocks as they are, and Q4_0 blocks with the minimum -8 · scale that the format implies."""
    if type_name == "Q4_1":
        blocks = _split(raw, 2 * _HALF + GGML_BLOCK // 2)
        return AffineBlocks(_halves(blocks, 0), _halves(blocks, _HALF), _nibbles(blocks[..., 2 * _HALF :]))
    assert type_name == "Q4_0", type_name
    blocks = _split(raw, _HALF + GGML_BLOCK // 2)
    scale = _halves(blocks, 0)
    return AffineBlocks(scale, -8.0 * scale, _nibbles(blocks[..., _HALF:]))


def _split(raw: NDArray[np.uint8], block_bytes: int) -> NDArray[np.uint8]:
    matrix = raw.reshape(-1, raw.shape[-1])
    return matrix.reshape(matrix.shape[0], -1, block_bytes)


def _halves(blocks: NDArray[np.uint8], offset: int) -> NDArray[np.float32]:
    """Read the little-endian float16 at ``offset`` of every block."""
    pair: NDArray[np.uint8] = np.ascontiguousarray(blocks[..., offset : offset + _HALF])
    return pair.view("<f2")[..., 0].astype(np.float32)


def _nibbles(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Unpack ggml's order: the low nibbles are the first half of a block, the high nibbles the second."""
    return np.concatenate([packed & 0x0F, packed >> 4], axis=-1)
