"""Block quantisation as the MatMulNBits and GatherBlockQuantized operators read it.

Source: the contrib operator documentation of ONNX Runtime (com.microsoft.MatMulNBits).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK, AffineBlocks

_MIDDLE_8BIT = 128  # the zero point that both operators assume for 8 bits
_MAX_4BIT = 15
_MAX_7BIT = 63
_FITS = 3
_TINY_SCALE = 1e-8  # stands in for a scale of 0, whose block is constant


@dataclass(frozen=True, slots=True)
class QuantizedMatrix:
    """The initialisers of one MatMulNBits with ``rows`` outputs.

    ``codes`` uint8 ``(rows, num_blocks, block_size * bits / 8)``, 4-bit codes packed low nibble first; ``scales``
    float32 ``(rows, num_blocks)``; ``zero_points`` uint8 packed like the codes, or None for the operator's default.
    ``columns`` is the operator's K: the columns of the matrix, and in the "cat" scheme ``extra_columns`` more.
    """

    codes: NDArray[np.uint8]
    scales: NDArray[np.float32]
    zero_points: NDArray[np.uint8] | None
    bits: int
    block_size: int
    columns: int
    extra_columns: int = 0

    @property
    def rows(self) -> int:
        """The operator's N."""
        return int(self.codes.shape[0])


def quantize_8bit(weights: NDArray[np.float32], block_size: int) -> QuantizedMatrix:
    """Quantise float32 ``(rows, columns)`` symmetrically to 8 bits; a last block that is short is padded with 0."""
    rows, columns = weights.shape
    num_blocks = -(-columns // block_size)
    if columns != num_blocks * block_size:
        weights = np.pad(weights, ((0, 0), (0, num_blocks * block_size - columns)))
    blocks = weights.reshape(rows, num_blocks, block_size)
    scales = np.abs(blocks).max(axis=-1) / np.float32(127)  # (rows, num_blocks)
    # A block of zeros needs any scale; subnormal scales are too coarse to divide by, and their blocks are as good as 0.
    scales = np.where(scales >= np.finfo(np.float32).tiny, scales, np.float32(1))
    codes = blocks / scales[..., np.newaxis]
    np.rint(codes, out=codes)
    codes += _MIDDLE_8BIT
    return QuantizedMatrix(codes.astype(np.uint8), scales, None, 8, block_size, columns)


def quantize_columns(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise float32 ``(inputs, outputs)`` symmetrically; return codes of that shape, and scales ``(outputs,)``.

    Codes go to 63, not 127: without VNNI two products with activations of 8 bits are added in 16, which would overflow.
    """
    scales = np.abs(weights).max(axis=0) / np.float32(_MAX_7BIT)
    scales = np.where(scales >= np.finfo(np.float32).tiny, scales, np.float32(1))
    return np.rint(weights / scales).astype(np.int8), scales.astype(np.float32)


def from_q8_0(scales: NDArray[np.float32], codes: NDArray[np.int8]) -> QuantizedMatrix:
    """Carry Q8_0 blocks over without loss: only the codes are moved up by 128."""
    rows, num_blocks, block = codes.shape
    moved = (codes.view(np.uint8) ^ np.uint8(0x80)).reshape(rows, num_blocks, block)
    return QuantizedMatrix(moved, scales, None, 8, block, num_blocks * block)


def cat_4bit(blocks: AffineBlocks, has_residuals: bool = True) -> QuantizedMatrix:
    """Keep the scales and codes of 4-bit affine blocks, and put what a 4-bit zero point cannot say into extra columns.

    With zero point z = round(-minimum / scale), a block's value is scale · (code - z) + residual, where residual =
    minimum + z · scale is one number per block. So ``x @ W.T`` is the plain 4-bit product plus (sums of x over
    blocks) @ residuals.T, and both are one product if the sums are appended to x and the residuals, quantised to
    4 bits themselves, to W. Without residuals (Q4_0 has none) there are no extra columns.
    """
    scales = np.where(blocks.scale == 0, _TINY_SCALE, blocks.scale).astype(np.float32)
    zero_points = np.clip(np.rint(-blocks.minimum / scales), 0, _MAX_4BIT).astype(np.uint8)
    columns = blocks.codes.shape[1] * GGML_BLOCK
    if not has_residuals:
        return QuantizedMatrix(pack_4bit(blocks.codes), scales, _pack_zero_points(zero_points), 4, GGML_BLOCK, columns)
    extra = quantize_4bit(blocks.minimum + zero_points * scales)  # (rows, num_blocks)
    codes = np.concatenate([pack_4bit(blocks.codes), pack_4bit(extra.codes)], axis=1)
    scales = np.concatenate([scales, extra.scale], axis=1)
    extra_zero_points = np.rint(-extra.minimum / extra.scale).astype(np.uint8)
    zero_points = np.concatenate([zero_points, extra_zero_points], axis=1)
    extra_columns = extra.codes.shape[1] * GGML_BLOCK
    return QuantizedMatrix(
        codes, scales, _pack_zero_points(zero_points), 4, GGML_BLOCK, columns + extra_columns, extra_columns
    )


def with_even_blocks(matrix: QuantizedMatrix) -> QuantizedMatrix:
    """Add an extra block of zeros if the number of blocks is odd.

    DirectML reads the zero points as one run of nibbles, where MatMulNBits begins each row at a byte (the tensor
    descriptions of its DmlOperatorMatMulNBits.cpp): the two agree if no row ends within a byte.
    """
    rows, num_blocks, block_bytes = matrix.codes.shape
    if num_blocks % 2 == 0:
        return matrix
    return replace(
        matrix,
        codes=np.concatenate([matrix.codes, np.zeros((rows, 1, block_bytes), np.uint8)], axis=1),
        scales=np.concatenate([matrix.scales, np.zeros((rows, 1), np.float32)], axis=1),
        columns=matrix.columns + matrix.block_size,
        extra_columns=matrix.extra_columns + matrix.block_size,
    )  # the row's last nibble of zero points is there already


def quantize_4bit(weights: NDArray[np.float32]) -> AffineBlocks:
    """Quantise float32 ``(rows, columns)`` to 4 bits in blocks of 32 whose minimum is an integer times the scale."""
    rows, columns = weights.shape
    num_blocks = -(-columns // GGML_BLOCK)
    padded = np.pad(weights, ((0, 0), (0, num_blocks * GGML_BLOCK - columns)))
    blocks = padded.reshape(rows, num_blocks, GGML_BLOCK)
    low = np.minimum(blocks.min(axis=-1), 0)
    high = np.maximum(blocks.max(axis=-1), 0)
    scale = np.maximum((high - low) / _MAX_4BIT, 1e-12).astype(np.float32)
    zero_points = np.clip(np.rint(-low / scale), 0, _MAX_4BIT)
    codes = np.clip(np.rint(blocks / scale[..., np.newaxis]) + zero_points[..., np.newaxis], 0, _MAX_4BIT)
    return AffineBlocks(scale, (-zero_points * scale).astype(np.float32), codes.astype(np.uint8))


def affine_4bit(weights: NDArray[np.float32]) -> AffineBlocks:
    """Quantise float32 ``(rows, columns)``, whole blocks of 32, to 4 bits between each block's least and largest."""
    rows, columns = weights.shape
    blocks = weights.reshape(rows, columns // GGML_BLOCK, GGML_BLOCK)
    low, high = blocks.min(axis=-1), blocks.max(axis=-1)
    scale = np.maximum((high - low) / _MAX_4BIT, 1e-12).astype(np.float32)
    codes = np.clip(np.rint((blocks - low[..., np.newaxis]) / scale[..., np.newaxis]), 0, _MAX_4BIT)
    return AffineBlocks(scale, low, codes.astype(np.uint8))


def quantize_symmetric_4bit(weights: NDArray[np.float32], block_size: int) -> QuantizedMatrix:
    """Quantise float32 ``(rows, columns)``, whole blocks, to -8 … 7 times a scale, as Q4_0 does: its codes stay.

    A block's largest value, whatever its sign, becomes -8.
    """
    rows, columns = weights.shape
    blocks = weights.reshape(rows, columns // block_size, block_size)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=-1, keepdims=True), axis=-1)
    scales = np.where(largest == 0, np.float32(1), largest / np.float32(-8))
    codes = (np.clip(np.rint(blocks / scales), -8, 7) + 8).astype(np.uint8)
    return QuantizedMatrix(pack_4bit(codes), scales[..., 0], None, 4, block_size, columns)


def no_blocks(rows: int, columns: int) -> AffineBlocks:
    """Return blocks of 32 zeros."""
    zeros = np.zeros((rows, columns // GGML_BLOCK), np.float32)
    return AffineBlocks(zeros, zeros, np.zeros((*zeros.shape, GGML_BLOCK), np.uint8))


def nearest_4bit(blocks: AffineBlocks) -> QuantizedMatrix:
    """Bring 4-bit blocks to whole zero points: where a minimum is none, the one above or below with the best scale.

    In blocks of Q4_K that is 7 % off; rounding to 4 bits without a zero point would be 8 %.
    """
    rows, num_blocks, size = blocks.codes.shape
    values = blocks.values().reshape(rows, num_blocks, size)
    with np.errstate(divide="ignore", invalid="ignore"):  # of a constant block, which any zero point of 0 to 15 can say
        exact = np.nan_to_num(-blocks.minimum / blocks.scale)
    codes = np.where(blocks.scale[..., np.newaxis] == 0, np.uint8(1), blocks.codes)
    below, above = (_fitted(values, codes, np.clip(each, 0, _MAX_4BIT)) for each in (np.floor(exact), np.ceil(exact)))
    is_above = above.error < below.error
    scales, points = (
        np.where(is_above, above.scale, below.scale),
        np.where(is_above, above.zero_point, below.zero_point),
    )
    packed = pack_4bit(np.where(is_above[..., np.newaxis], above.codes, below.codes))
    points = _pack_zero_points(points.astype(np.uint8))
    return QuantizedMatrix(packed, scales, points, 4, size, num_blocks * size)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Blocks with the scales that come nearest to their values, and the sums of what is left, squared."""

    codes: NDArray[np.uint8]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.float32]
    error: NDArray[np.float32]


def _fitted(values: NDArray[np.float32], codes: NDArray[np.uint8], zero_point: NDArray[np.float32]) -> _Fitted:
    """Fit scales to codes, and codes to scales, in turns."""
    point = zero_point[..., np.newaxis]
    for _ in range(_FITS):
        steps = codes - point
        scale = (values * steps).sum(axis=-1) / np.maximum((steps * steps).sum(axis=-1), 1)
        scale = np.where(np.abs(scale) < np.finfo(np.float32).tiny, np.float32(1), scale)
        codes = np.clip(np.rint(values / scale[..., np.newaxis]) + point, 0, _MAX_4BIT).astype(np.uint8)
    left = values - scale[..., np.newaxis] * (codes - point)
    return _Fitted(codes, scale, zero_point, (left * left).sum(axis=-1))


def pack_4bit(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack pairs of neighbours along the last axis, the first of a pair into the low nibble."""
    return (codes[..., 0::2] | (codes[..., 1::2] << 4)).astype(np.uint8)


def _pack_zero_points(zero_points: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if zero_points.shape[1] % 2:
        zero_points = np.pad(zero_points, ((0, 0), (0, 1)))
    return pack_4bit(zero_points)
