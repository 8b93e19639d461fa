"""Products with matrices that are written first: one for all rows, or one for each group of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Generic, TypeVar

from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.graph.row_groups import in_groups
from jan_ort.convert.weights.matrices import Part

Matrix = TypeVar("Matrix")


class StoredProducts(ABC, Generic[Matrix]):
    """Adds products to ``writer``; a kind of activations says how a matrix is written and multiplied."""

    def __init__(self, writer: OnnxWriter) -> None:
        self._writer = writer

    def linear(self, name: str, x: str, parts: list[Part], columns: int, *, output: str = "") -> str:
        """Add a product, and its bias if there is one."""
        matrix, bias = self._stored(name, parts, columns)
        return self._product(self._read_by(matrix, x), output or f"{name}.out", matrix, bias)

    def grouped(self, name: str, x: str, counts: str, groups: Sequence[list[Part]], columns: int) -> str:
        """Add a product for each group; what the matrices read beside x is added once for all."""
        stored = [self._stored(f"{name}.{number}", parts, columns) for number, parts in enumerate(groups)]
        products = [partial(self._product, matrix=matrix, bias=bias) for matrix, bias in stored]
        return in_groups(self._writer, name, self._read_by(stored[0][0], x), counts, products)

    @abstractmethod
    def _stored(self, name: str, parts: list[Part], columns: int) -> tuple[Matrix, str]:
        """Write a matrix and its bias, "" where there is none."""

    @abstractmethod
    def _read_by(self, matrix: Matrix, x: str) -> str:
        """Return x with what the matrix reads beside it."""

    @abstractmethod
    def _product(self, x: str, output: str, matrix: Matrix, bias: str) -> str:
        """Add the product."""
