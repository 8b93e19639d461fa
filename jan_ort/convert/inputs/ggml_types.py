"""The tensor types of GGUF files that can be read, by ggml's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs.ggml_blocks import (
    AffineBlocks,
    SymmetricBlocks,
    q4_0_blocks,
    q4_1_blocks,
    q5_0_blocks,
    q5_1_blocks,
    q8_0_blocks,
)
from jan_ort.convert.inputs.ggml_super_blocks import (
    q2_k_blocks,
    q3_k_blocks,
    q4_k_blocks,
    q5_k_blocks,
    q6_k_blocks,
)

_BLOCKS: dict[str, Callable[[NDArray[np.uint8]], AffineBlocks | SymmetricBlocks]] = {
    "Q2_K": q2_k_blocks,
    "Q3_K": q3_k_blocks,
    "Q4_0": q4_0_blocks,
    "Q4_1": q4_1_blocks,
    "Q4_K": q4_k_blocks,
    "Q5_0": q5_0_blocks,
    "Q5_1": q5_1_blocks,
    "Q5_K": q5_k_blocks,
    "Q6_K": q6_k_blocks,
    "Q8_0": q8_0_blocks,
}

TENSOR_TYPES = (*_BLOCKS, "F16", "BF16", "F32")
"""The tensor types that can be read."""

FOUR_BIT_TYPES = ("Q4_0", "Q4_1", "Q4_K")
"""The types of :func:`four_bit_blocks`."""


def dequantize(type_name: str, raw: NDArray[Any]) -> NDArray[np.float32]:
    """Return stored values as float32; ``raw`` is float, or uint8 ``(rows, bytes)``, and rows are kept."""
    if type_name in ("F32", "F16"):
        return raw.astype(np.float32)
    if type_name == "BF16":
        return (np.ascontiguousarray(raw).view("<u2").astype(np.uint32) << 16).view(np.float32)
    with np.errstate(invalid="ignore"):  # a damaged scale may be infinite: the reader refuses what comes out
        values = _BLOCKS[type_name](raw).values()
    rows, num_blocks, block_size = values.shape
    return values.reshape(rows, num_blocks * block_size)


def four_bit_blocks(type_name: str, raw: NDArray[np.uint8]) -> AffineBlocks:
    """Return the blocks of 32 values of a 4-bit type with codes 0…15; Q4_0 gets the minimum -8 · scale it implies."""
    assert type_name in FOUR_BIT_TYPES, type_name
    blocks = _BLOCKS[type_name](raw)
    if isinstance(blocks, AffineBlocks):
        return blocks
    return AffineBlocks(blocks.scale, -8 * blocks.scale, (blocks.codes + np.int8(8)).view(np.uint8))
