"""The tensor types of GGUF files, by ggml's names: all that the gguf package can dequantise are read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
from numpy.typing import NDArray

from jan_ort.convert.inputs.ggml_codes import four_bit_blocks

_PIECE_BYTES = 1 << 24  # what is computed with a piece takes several times its size


@cache
def is_readable(kind: GGMLQuantizationType) -> bool:
    """Say whether the gguf package that is installed can dequantise the type: one block of it is tried."""
    _, block_bytes = GGML_QUANT_SIZES[kind]
    try:
        quants.dequantize(np.zeros((1, block_bytes), np.uint8), kind)
    except NotImplementedError:
        return False
    return True


def readable_types() -> list[str]:
    """Return the names of the tensor types that can be read."""
    return [kind.name for kind in GGMLQuantizationType if is_readable(kind)]


def dequantize(type_name: str, raw: NDArray[Any]) -> NDArray[np.float32]:
    """Return stored values as float32 ``(rows, columns)``, or ``(size,)`` of a vector.

    Args: raw: floats of that shape, or uint8 ``(rows, bytes)``, which are dequantised a few rows at a time.
    """
    if raw.ndim == 1 or type_name in ("F32", "F16"):
        return _dequantize(type_name, raw)
    block_size, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[type_name]]
    matrix = raw.reshape(-1, raw.shape[-1])
    values = np.empty((len(matrix), raw.shape[-1] // block_bytes * block_size), np.float32)
    for piece in row_pieces(len(matrix), 4 * values.shape[1]):
        values[piece] = _dequantize(type_name, matrix[piece])
    return values


def row_pieces(num_rows: int, row_bytes: int) -> Iterator[slice]:
    """Yield slices of a few rows each, so that what is computed with a large matrix needs little memory."""
    step = max(1, _PIECE_BYTES // row_bytes)
    yield from (slice(first, first + step) for first in range(0, num_rows, step))


def _dequantize(type_name: str, raw: NDArray[Any]) -> NDArray[np.float32]:
    if type_name in ("F32", "F16"):
        return raw.astype(np.float32, copy=False)  # of any byte order
    with np.errstate(all="ignore"):  # a damaged scale may be infinite: the reader refuses what comes out
        if type_name == "Q4_K":  # most of what people convert: the same bits in a third of the package's time
            return four_bit_blocks(type_name, raw).values()
        values: NDArray[np.float32] = quants.dequantize(raw, GGMLQuantizationType[type_name])
    return values
