"""Random blocks of ggml's quantised types, made of random bytes."""

from __future__ import annotations

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from jan_ort.convert.inputs.ggml_codes import AffineBlocks

# Where in a block its float16 numbers are, and values of them that give numbers around 0, mostly below 0.5.
_HALVES = {
    Type.Q2_K: {80: 0.01, 82: 0.015},
    Type.Q3_K: {108: 0.004},
    Type.Q4_0: {0: 0.03},
    Type.Q4_1: {0: 0.03, 2: -0.22},
    Type.Q4_K: {0: 0.001, 2: 0.0075},
    Type.Q5_0: {0: 0.015},
    Type.Q5_1: {0: 0.015, 2: -0.22},
    Type.Q5_K: {0: 0.0005, 2: 0.0075},
    Type.Q6_K: {208: 0.0001},
    Type.Q8_0: {0: 0.002},
    Type.IQ1_S: {0: 0.018},
    Type.IQ2_S: {0: 0.0025},
    Type.IQ2_XS: {0: 0.0025},
    Type.IQ2_XXS: {0: 0.0025},
    Type.IQ3_S: {0: 0.001},
    Type.IQ3_XXS: {0: 0.001},
    Type.IQ4_NL: {0: 0.0022},
    Type.IQ4_XS: {0: 0.00012},
    Type.TQ1_0: {52: 0.18},
    Type.TQ2_0: {64: 0.13},
}
_IQ1_M_SCALE = 0.016
BLOCK_TYPES = [*_HALVES, Type.IQ1_M, Type.MXFP4, Type.NVFP4]


def affine_values(blocks: AffineBlocks) -> NDArray[np.float32]:
    """Return the values float32 ``(rows, columns)``."""
    values = blocks.scale[..., np.newaxis] * blocks.codes + blocks.minimum[..., np.newaxis]
    return values.reshape(len(values), -1)


def model_blocks(kind: Type, shape: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    """Return blocks uint8 ``(rows, bytes)`` of a matrix whose values are as large as those of a model."""
    blocks = _random_bytes(kind, shape, np.random.default_rng(seed))
    for offset, value in _HALVES.get(kind, {}).items():
        blocks[..., offset : offset + 2] = np.array([value], "<f2").view(np.uint8)
    if kind is Type.IQ1_M:  # the float16's nibbles are the highest of the four words of scales
        nibbles = [int(np.array(_IQ1_M_SCALE, "<f2").view(np.uint16)) >> shift & 0x0F for shift in (0, 4, 8, 12)]
        blocks[..., 49::2] = blocks[..., 49::2] & 0x0F | np.array(nibbles, np.uint8) << 4
    if kind is Type.MXFP4:  # one exponent of 2, above 127
        blocks[..., 0] = 127 - 4
    if kind is Type.NVFP4:  # four scales of 4 bits of exponent and 3 of mantissa
        blocks[..., :4] = 0x12 + (blocks[..., :4] & 7)
    if kind in (Type.Q4_K, Type.Q5_K):  # as quantisers do, let minimums follow the scales, so that 0 is in every range
        blocks[..., 8:12] = blocks[..., 4:8]
        blocks[..., 12:16] = (blocks[..., 12:16] & 0x0F) * 0x11
    return blocks.reshape(shape[0], -1)


def any_blocks(kind: Type, shape: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    """Return blocks uint8 ``(rows, bytes)`` with any finite float16, also negative, subnormal and 0."""
    rng = np.random.default_rng(seed)
    blocks = _random_bytes(kind, shape, rng)
    bits = np.concatenate([np.arange(0x7C00), np.arange(0x8000, 0xFC00), np.zeros(1000)]).astype("<u2")
    for offset in _HALVES[kind]:
        blocks[..., offset : offset + 2] = rng.choice(bits, blocks.shape[:2])[..., np.newaxis].view(np.uint8)
    return blocks.reshape(shape[0], -1)


def _random_bytes(kind: Type, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    block_size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    return rng.integers(0, 256, (shape[0], shape[1] // block_size, block_bytes), np.uint8)
