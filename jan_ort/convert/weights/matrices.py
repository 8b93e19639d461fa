"""The matrices of a decoder, from GGUF tensors to the initialisers of matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs.checkpoint import Checkpoint, ModelTensor
from jan_ort.convert.inputs.ggml_codes import FOUR_BIT_TYPES, GGML_BLOCK, AffineBlocks, four_bit_blocks, q8_0_blocks
from jan_ort.convert.weights.computed_ahead import computed_ahead
from jan_ort.convert.weights.quantization import (
    QuantizedMatrix,
    affine_4bit,
    cat_4bit,
    from_q8_0,
    nearest_4bit,
    quantize_8bit,
    quantize_symmetric_4bit,
)
from jan_ort.convert.weights.schemes import SCHEMES, Weights
from jan_ort.convert.weights.smoothing import Scale

EIGHT_BIT_BLOCK = 64
"""Values with one scale in a matrix of 8 bits; "int8-block64" in jan_ort.json names it."""

_BLOCK_BYTES = 1 << 22
"""Of a block of rows in float32: what is computed with it takes several times as much, and fits a CPU's cache."""

_Array = TypeVar("_Array", bound=NDArray[Any])


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a packed matrix that come from one tensor: ``name`` without ".weight", ``rows`` of them from ``first``.

    ``total`` are the tensor's rows, if it has more. ``bias`` is the bias' own name, if it is another.
    ``order``: where the rows of each head come from, so that the rotary operator finds its halves; None if they stay.
    The columns are multiplied by ``column_scale``, and the rows and the bias divided by ``row_scale``.
    ``expert``: the matrix' number in a tensor of ``experts``, if that is not 0.
    """

    name: str
    rows: int
    order: NDArray[np.intp] | None = None
    column_scale: Scale | None = None
    row_scale: Scale | None = None
    first: int = 0
    total: int = 0
    bias: str = ""
    expert: int = 0
    experts: int = 0

    def block(self, first: int, count: int) -> Part:
        """Return what holds for some of the rows, which are a tensor of their own then."""
        row_scale = None if self.row_scale is None else self.row_scale[first : first + count]
        return replace(self, rows=count, row_scale=row_scale, first=0, total=0)


class Matrices:
    """Reads the matrices of ``source``; parts are concatenated row-wise, each ``(rows, columns)`` in the file.

    A matrix comes as blocks of its rows, one after another: a whole one may take gigabytes.

    With "int8" every matrix becomes 8-bit in blocks of 64. With "int4" 4-bit matrices that are not scaled keep their
    codes (the "cat" scheme) and all others become 8-bit; those of safetensors are rounded to 4 bits. The embedding
    keeps its Q8_0 blocks, or gets 8 bits in blocks of 32.
    """

    def __init__(self, source: Checkpoint, weights: Weights) -> None:
        self._source = source
        self._weights = weights

    def quantized(self, parts: Sequence[Part], columns: int) -> Iterator[QuantizedMatrix]:
        """Yield the parts' rows as a scheme of 8 bits or 4 has them."""
        if SCHEMES[self._weights].bits == 4:
            if self._source.rounds_to_4bit and columns % GGML_BLOCK == 0:
                return self.rounded_4bit(parts, columns)
            if (kept := self.kept_4bit(parts, columns)) is not None:
                return kept
        return computed_ahead(lambda block: quantize_8bit(_floats(*block), EIGHT_BIT_BLOCK), self._rows(parts, columns))

    def symmetric(self, parts: Sequence[Part], columns: int, bits: int, block_size: int) -> Iterator[QuantizedMatrix]:
        """Yield the parts' rows in 8 or 4 bits without zero points."""
        quantize = quantize_8bit if bits == 8 else quantize_symmetric_4bit
        return computed_ahead(lambda block: quantize(_floats(*block), block_size), self._rows(parts, columns))

    def kept_4bit(
        self, parts: Sequence[Part], columns: int, has_residuals: bool | None = None
    ) -> Iterator[QuantizedMatrix] | None:
        """Return the parts' rows with the codes that they have in the file; None if any has other bits or is scaled.

        ``has_residuals``: whether there are extra columns, as :func:`cat_4bit` has them; None: if a part needs them.
        """
        pairs = self._pairs(parts, columns)
        if not all(_keeps_4bit(tensor, part) for tensor, part in pairs):
            return None
        needs = any(tensor.type_name != "Q4_0" for tensor, _ in pairs)
        extends = needs if has_residuals is None else has_residuals
        return computed_ahead(lambda block: cat_4bit(_blocks(*block), extends), self._rows(parts, columns))

    def nearest_4bit(self, parts: Sequence[Part], columns: int) -> Iterator[QuantizedMatrix]:
        """Yield the parts' rows, which keep 4 bits in the file, with whole zero points."""
        return computed_ahead(lambda block: nearest_4bit(_blocks(*block)), self._rows(parts, columns))

    def rounded_4bit(self, parts: Sequence[Part], columns: int) -> Iterator[QuantizedMatrix]:
        """Yield the parts' rows rounded to 4 bits, whatever they have; ``columns`` are whole blocks of 32."""
        return computed_ahead(
            lambda block: cat_4bit(affine_4bit(_floats(*block)), has_residuals=True), self._rows(parts, columns)
        )

    def floats(self, parts: Sequence[Part], columns: int) -> Iterator[NDArray[np.float32]]:
        """Yield the parts' rows dequantised, float32 ``(some rows, columns)``."""
        return computed_ahead(lambda block: _floats(*block), self._rows(parts, columns))

    def products(self, x: NDArray[np.float64], parts: Sequence[Part], columns: int) -> Iterator[NDArray[np.float64]]:
        """Yield the products of x ``(tokens, columns)`` with some of the parts' rows, ``(tokens, some rows)``."""
        return computed_ahead(lambda block: x @ _floats(*block).T, self._rows(parts, columns))

    def _rows(self, parts: Sequence[Part], columns: int) -> Iterator[tuple[ModelTensor, Part]]:
        """Yield the parts in blocks of a few rows, of whole heads where their rows change places."""
        for tensor, part in self._pairs(parts, columns):
            unit = 1 if part.order is None else len(part.order)
            step = max(unit, _BLOCK_BYTES // (4 * columns) // unit * unit)
            for first in range(0, part.rows, step):
                count = min(step, part.rows - first)
                yield tensor.part(first, count), part.block(first, count)

    def type_name(self, part: Part) -> str:
        """Return ggml's name of the type that an expert's matrix has in the file, "" for floats of any width."""
        return self._source.tensor(f"{part.name}.weight", self._source.shape(f"{part.name}.weight")).type_name

    def _pairs(self, parts: Sequence[Part], columns: int) -> list[tuple[ModelTensor, Part]]:
        return [(self._scaled(self._tensor(f"{part.name}.weight", part, columns), part), part) for part in parts]

    def _scaled(self, tensor: ModelTensor, part: Part) -> ModelTensor:
        """Return the tensor times a number of its own, which matrices of NVFP4 have, and Gemma 4's experts.

        What its input would be divided by before it is rounded is passed over: nothing is rounded so here.
        """
        if self._source.has_tensor(f"{part.name}.input_scale"):
            self._source.pass_over(f"{part.name}.input_scale")
        name, shape = f"{part.name}.scale", (part.experts or 1,)
        if not self._source.has_tensor(name) or self._source.shape(name) != shape:
            return tensor
        return replace(tensor, factor=float(self._source.vector(name, *shape)[part.expert]))

    def _tensor(self, name: str, part: Part, *columns: int) -> ModelTensor:
        if part.experts:
            return self._source.tensor(name, (part.experts, part.rows, *columns)).of(part.expert)
        if part.rows == 1 and self._source.shape(name) == columns:  # llama.cpp has a matrix of one row as a vector
            return self._source.tensor(name, columns).row()
        if not part.total:
            return self._source.tensor(name, (part.rows, *columns))
        return self._source.tensor(name, (part.total, *columns)).part(part.first, part.rows)

    def bias(self, parts: Sequence[Part]) -> NDArray[np.float32] | None:
        """Return the concatenated biases float32 ``(rows,)``, 0 where a part has none; None if no part has one."""
        biases = [self._bias(part) for part in parts]
        if all(bias is None for bias in biases):
            return None
        filled = [
            np.zeros(part.rows, np.float32) if bias is None else bias for bias, part in zip(biases, parts, strict=True)
        ]
        return np.concatenate(filled)

    def _bias(self, part: Part) -> NDArray[np.float32] | None:
        own, shared = f"{part.bias}.bias", f"{part.name}.bias"
        if self._source.has_tensor(shared):
            bias = self._tensor(shared, part).dequantize()
        elif self._source.has_tensor(own):
            bias = self._source.vector(own, part.rows)
        else:
            return None
        bias = _in_order(bias, part)
        return bias if part.row_scale is None else bias / part.row_scale

    def vector(self, name: str, size: int) -> NDArray[np.float32]:
        """Return the vector of this whole name, float32."""
        return self._source.vector(name, size)

    def embedding(self, name: str, rows: int, columns: int) -> Iterator[QuantizedMatrix]:
        """Yield the rows of the token embedding ``(rows, columns)``, 8-bit in blocks of 32."""
        return computed_ahead(_embedding_rows, self._rows([Part(name, rows)], columns))


def _embedding_rows(block: tuple[ModelTensor, Part]) -> QuantizedMatrix:
    tensor, part = block
    if tensor.type_name == "Q8_0" and tensor.factor == 1:
        return from_q8_0(*q8_0_blocks(tensor.raw))
    return quantize_8bit(_floats(tensor, part), GGML_BLOCK)


def _keeps_4bit(tensor: ModelTensor, part: Part) -> bool:
    is_scaled = part.column_scale is not None or part.row_scale is not None
    return tensor.type_name in FOUR_BIT_TYPES and not is_scaled


def _floats(tensor: ModelTensor, part: Part) -> NDArray[np.float32]:
    weights = _in_order(tensor.dequantize(), part)
    if part.column_scale is not None:
        weights = weights * part.column_scale
    return weights if part.row_scale is None else weights / part.row_scale[:, np.newaxis]


def _blocks(tensor: ModelTensor, part: Part) -> AffineBlocks:
    blocks = four_bit_blocks(tensor.type_name, tensor.raw)
    scale, minimum = (_in_order(each, part) * np.float32(tensor.factor) for each in (blocks.scale, blocks.minimum))
    return AffineBlocks(scale, minimum, _in_order(blocks.codes, part))


def _in_order(rows: _Array, part: Part) -> _Array:
    """Bring the rows of each head into the part's order."""
    if part.order is None:
        return rows
    heads = rows.reshape(-1, len(part.order), *rows.shape[1:])  # (heads, head_dim, …)
    return heads[:, part.order].reshape(rows.shape)  # type: ignore[return-value]
