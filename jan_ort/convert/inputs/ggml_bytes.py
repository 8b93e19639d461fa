"""The fields inside ggml's blocks: float16 numbers, and small integers packed into bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

HALF_BYTES = 2
"""Bytes of a float16."""


def split_blocks(raw: NDArray[Any], *sizes: int) -> list[NDArray[np.uint8]]:
    """Cut rows of blocks into the blocks' fields of ``sizes`` bytes, which together make one block.

    Args: raw: uint8 ``(…, row_bytes)``. Returns: for each size uint8 ``(rows, num_blocks, size)``.
    """
    matrix = raw.reshape(-1, raw.shape[-1])
    blocks = matrix.reshape(matrix.shape[0], -1, sum(sizes))
    return np.split(blocks, np.cumsum(sizes)[:-1], axis=-1)


def halves(field: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Read fields of one little-endian float16 ``(rows, num_blocks, 2)`` as float32 ``(rows, num_blocks)``."""
    return np.ascontiguousarray(field).view("<f2")[..., 0].astype(np.float32)


def bit_fields(packed: NDArray[np.uint8], width: int, group: int) -> NDArray[np.uint8]:
    """Unpack integers of ``width`` bits, lowest bits first, in ggml's order.

    Of each ``group`` neighbouring bytes come first the lowest fields of all, then their second lowest, and so on.
    Args: packed: uint8 ``(rows, num_blocks, bytes)``. Returns: uint8 ``(rows, num_blocks, bytes * 8 / width)``.
    """
    rows, num_blocks, size = packed.shape
    shifts = np.arange(0, 8, width, dtype=np.uint8)[:, np.newaxis]
    groups = packed.reshape(rows, num_blocks, size // group, 1, group)
    fields = groups >> shifts & np.uint8(2**width - 1)  # (rows, num_blocks, groups, 8 / width, group)
    return fields.reshape(rows, num_blocks, size * 8 // width)
