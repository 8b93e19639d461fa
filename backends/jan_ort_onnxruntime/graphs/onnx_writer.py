"""Writes ONNX graphs of a few nodes, so that nothing but ONNX Runtime is needed to have one.

Source: onnx.proto3 of ONNX 1.23 (field numbers), and the encoding of protocol buffers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    graph = b"".join(_field(1, _node(node)) for node in nodes) + _field(2, b"graph")
    graph += b"".join(_field(5, _tensor(name, array)) for name, array in (initializers or {}).items())
    graph += b"".join(_field(11, _value(name, shape, dtype)) for name, shape in inputs.items())
    graph += b"".join(_field(12, _value(name, shape, dtype)) for name, shape in outputs.items())
    return _number(1, _IR_VERSION) + _field(8, _number(2, _OPSET)) + _field(7, graph)


def _node(node: Node) -> bytes:
    names = [_field(1, name.encode()) for name in node.inputs] + [_field(2, name.encode()) for name in node.outputs]
    return b"".join(names) + _field(4, node.op_type.encode())


def _tensor(name: str, array: NDArray[np.float32]) -> bytes:
    dims = b"".join(_number(1, size) for size in array.shape)
    return dims + _number(2, _FLOAT) + _field(8, name.encode()) + _field(9, array.astype("<f4").tobytes())


def _value(name: str, dims: Sequence[str], dtype: str) -> bytes:
    shape = b"".join(_field(1, _field(2, dim.encode())) for dim in dims)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, _DTYPES[dtype]) + _field(2, shape)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
