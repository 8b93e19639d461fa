"""How an encoder's matrices are multiplied and its embeddings looked up: in float32, or in 8-bit integers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.graph.graph_nodes import GraphNodes
from jan_ort.convert.graph.onnx_writer import MICROSOFT
from jan_ort.convert.graph.stored_matrix import store_matrix
from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK
from jan_ort.convert.weights.quantization import quantize_8bit, quantize_columns
from jan_ort.convert.weights.schemes import EncoderScheme

_MIDDLE = 128  # what stands for 0 in a row's codes
_MOST = 127  # of a row's codes, on either side of it

Floats = NDArray[np.float32]


class EncoderMatrices(Protocol):
    """Adds the nodes that read matrices. ``fuses``: attention may read the matrix before it by itself."""

    fuses: bool

    def multiply(self, nodes: GraphNodes, name: str, x: str, matrix: Floats) -> str:
        """Multiply x ``(..., inputs)`` by ``matrix`` ``(outputs, inputs)``."""
        ...

    def embed(self, nodes: GraphNodes, name: str, table: Floats, ids: str) -> str:
        """Look up rows of a table."""
        ...


class FloatMatrices:
    """Products and tables of float32: the most exact ones."""

    fuses = True

    def multiply(self, nodes: GraphNodes, name: str, x: str, matrix: Floats) -> str:
        """Add a product."""
        return nodes.node("MatMul", x, nodes.constant(name, matrix.T))

    def embed(self, nodes: GraphNodes, name: str, table: Floats, ids: str) -> str:
        """Look up float32 rows."""
        return nodes.node("Gather", nodes.constant(name, table), ids)


class IntegerMatrices:
    """Products of integers: a scale for each row of x, and one for each column of the product.

    A row's codes are its own, and sums of integers are exact: so it has the same bits in any company. One scale for all
    of x, as DynamicQuantizeLinear has it, would make it depend on the others. Tables have 8 bits in blocks of 32.
    """

    fuses = False

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, str]] = {}

    def multiply(self, nodes: GraphNodes, name: str, x: str, matrix: Floats) -> str:
        """Add a product."""
        codes, scales = quantize_columns(matrix.T)
        rows, row_scales = self._quantized(nodes, x)
        one, middle = nodes.constant("one_float", np.array(1, np.float32)), nodes.constant("middle", _code(_MIDDLE))
        stored = nodes.constant(f"{name}.codes", codes), nodes.constant(f"{name}.scales", scales)
        inputs = (rows, stored[0], one, stored[1], middle)
        product = nodes.node("Mul", nodes.node("MatMulIntegerToFloat", *inputs, domain=MICROSOFT), row_scales)
        shape = nodes.node("Concat", nodes.node("Shape", x, end=-1), nodes.constant("rest", _ints(-1)), axis=0)
        return nodes.node("Reshape", product, shape)

    def _quantized(self, nodes: GraphNodes, x: str) -> tuple[str, str]:
        """Add the codes of x as uint8 ``(rows, inputs)``, and the scales ``(rows, 1)``; once for all products of it."""
        if x not in self._rows:
            axis = nodes.constant("row_axis", _ints(1))
            flat = nodes.node("Flatten", x, axis=-1)
            largest = nodes.node("ReduceMax", nodes.node("Abs", flat), axis, keepdims=0)
            least = nodes.node("Max", largest, nodes.constant("least_largest", np.array(1e-30, np.float32)))
            scales = nodes.node("Mul", least, nodes.constant("code_size", np.array(1 / _MOST, np.float32)))
            middles = nodes.node("Expand", nodes.constant("middle", _code(_MIDDLE)), nodes.node("Shape", scales))
            codes = nodes.node("QuantizeLinear", flat, scales, middles, axis=0)
            self._rows[x] = codes, nodes.node("Unsqueeze", scales, axis)
        return self._rows[x]

    def embed(self, nodes: GraphNodes, name: str, table: Floats, ids: str) -> str:
        """Look up rows of 8 bits, if they are whole blocks."""
        if table.shape[1] % GGML_BLOCK:
            return FloatMatrices().embed(nodes, name, table, ids)
        stored = store_matrix(nodes.writer, name, len(table), iter([quantize_8bit(table, GGML_BLOCK)]), flat=True)
        at: dict[str, Any] = {"bits": 8, "block_size": stored.block_size, "gather_axis": 0, "quantize_axis": 1}
        return nodes.node("GatherBlockQuantized", stored.codes, ids, stored.scales, domain=MICROSOFT, **at)


def _code(value: int) -> NDArray[np.uint8]:
    return np.array(value, np.uint8)


def _ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


ENCODER_MATRICES: Mapping[EncoderScheme, type[FloatMatrices] | type[IntegerMatrices]] = MappingProxyType(
    {"float32": FloatMatrices, "int8": IntegerMatrices}
)
