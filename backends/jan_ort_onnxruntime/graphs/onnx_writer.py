"""Writes ONNX graphs of a few nodes, so that nothing but ONNX Runtime is needed to have one.

Source: onnx.proto3 of ONNX 1.23 (field numbers), and the encoding of protocol buffers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort_onnxruntime.graphs.protobuf_wire import write_field, write_number

_DTYPES = {"float32": 1, "float16": 10}
_FLOAT = _DTYPES["float32"]
_IR_VERSION, _OPSET = 8, 17  # old enough for every provider


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of the standard domain, without attributes."""

    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def write_graph(
    nodes: Sequence[Node],
    inputs: Mapping[str, Sequence[str]],
    outputs: Mapping[str, Sequence[str]],
    initializers: Mapping[str, NDArray[np.float32]] | None = None,
    *,
    dtype: str = "float32",
) -> bytes:
    """Return the graph as a model file has it; ``inputs`` and ``outputs``, of ``dtype``, name each one's dimensions."""
    graph = b"".join(write_field(1, _node(node)) for node in nodes) + write_field(2, b"graph")
    graph += b"".join(write_field(5, _tensor(name, array)) for name, array in (initializers or {}).items())
    graph += b"".join(write_field(11, _value(name, shape, dtype)) for name, shape in inputs.items())
    graph += b"".join(write_field(12, _value(name, shape, dtype)) for name, shape in outputs.items())
    return write_number(1, _IR_VERSION) + write_field(8, write_number(2, _OPSET)) + write_field(7, graph)


def _node(node: Node) -> bytes:
    names = [write_field(1, name.encode()) for name in node.inputs] + [
        write_field(2, name.encode()) for name in node.outputs
    ]
    return b"".join(names) + write_field(4, node.op_type.encode())


def _tensor(name: str, array: NDArray[np.float32]) -> bytes:
    dims = b"".join(write_number(1, size) for size in array.shape)
    return (
        dims + write_number(2, _FLOAT) + write_field(8, name.encode()) + write_field(9, array.astype("<f4").tobytes())
    )


def _value(name: str, dims: Sequence[str], dtype: str) -> bytes:
    shape = b"".join(write_field(1, write_field(2, dim.encode())) for dim in dims)
    return write_field(1, name.encode()) + write_field(
        2, write_field(1, write_number(1, _DTYPES[dtype]) + write_field(2, shape))
    )
