"""A quantised matrix in the file of weights, written block of rows after block of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.weights.quantization import QuantizedMatrix


@dataclass(frozen=True, slots=True)
class StoredMatrix:
    """The names of a matrix' initialisers, and what MatMulNBits is told of it.

    Shapes are those of :class:`QuantizedMatrix`; ``zero_points`` "" stands for the operator's default.
    """

    codes: str
    scales: str
    zero_points: str
    codes_shape: tuple[int, int, int]
    bits: int
    block_size: int
    columns: int
    extra_columns: int

    def again(self, writer: OnnxWriter, name: str) -> StoredMatrix:
        """Return the same bytes under other names."""
        codes = writer.same_initializer(f"{name}.codes", self.codes, self.codes_shape)
        return replace(self, codes=codes, scales=writer.same_initializer(f"{name}.scales", self.scales))

    @property
    def attributes(self) -> dict[str, int]:
        """The attributes of MatMulNBits."""
        return {"K": self.columns, "N": self.codes_shape[0], "bits": self.bits, "block_size": self.block_size}


def store_matrix(
    writer: OnnxWriter,
    name: str,
    num_rows: int,
    blocks: Iterator[QuantizedMatrix],
    *,
    flat: bool = False,
    experts: int = 0,
) -> StoredMatrix:
    """Write a matrix of ``num_rows``; ``name`` begins its initialisers' names. Codes are not kept in memory.

    ``flat``: codes get the shape of the matrix, as GatherBlockQuantized wants them. ``experts``: so many matrices of
    equally many rows stand below each other, and QMoE wants their number as a dimension of its own.
    """
    first = next(blocks)
    shape = (num_rows, *first.codes.shape[1:])
    each = (experts, num_rows // experts) if experts else (num_rows,)
    stored = (*each, math.prod(shape[1:])) if flat or experts else shape
    scales = np.empty((num_rows, *first.scales.shape[1:]), first.scales.dtype)
    points = None if first.zero_points is None else np.empty((num_rows, *first.zero_points.shape[1:]), np.uint8)

    def codes() -> Iterator[NDArray[np.uint8]]:
        done = 0
        for block in chain([first], blocks):
            scales[done : done + block.rows] = block.scales
            if points is not None:
                points[done : done + block.rows] = block.zero_points
            done += block.rows
            yield block.codes

    return StoredMatrix(
        writer.initializer_of_rows(f"{name}.codes", np.uint8, stored, codes()),
        writer.initializer(f"{name}.scales", scales.reshape(*each, -1)),
        "" if points is None else writer.initializer(f"{name}.zero_points", points.reshape(*each, -1)),
        shape,
        first.bits,
        first.block_size,
        first.columns,
        first.extra_columns,
    )
