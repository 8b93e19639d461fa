"""A graph as its nodes, weights, inputs and outputs, to be taken apart and written again.

Source: onnx.proto3 of ONNX 1.23 (field numbers). Large weights are never copied: what is written names their place in
the file that was read, which ONNX Runtime takes for a file of external data.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jan_ort_onnxruntime.graphs.protobuf_wire import Field, as_bytes, as_text, read_fields, write_field, write_number

MAX_INLINE_BYTES = 1024
"""ONNX Runtime infers shapes from small weights, so these stay where they are."""

_IR_VERSION, _GRAPH, _OPSETS, _FUNCTIONS = 1, 7, 8, 25
_NODES, _WEIGHTS, _INPUTS, _OUTPUTS, _SPARSE_WEIGHTS = 1, 5, 11, 12, 15
_FLOAT, _INT, _INTS = 1, 2, 7
_EXTERNAL = 13
MICROSOFT = "com.microsoft"


class NotExact(Exception):
    """Raised when a graph is not one that can be rewritten exactly; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator; ``message`` is its NodeProto."""

    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: bytes | memoryview

    @classmethod
    def read(cls, message: memoryview) -> Node:
        """Read a NodeProto; of a domain of its own the operator's name has that before it."""
        fields = list(read_fields(message))
        texts = {wanted: [as_text(value) for number, value in fields if number == wanted] for wanted in (1, 2, 4, 7)}
        domain = "".join(texts[7]).replace("ai.onnx", "")
        op_type = f"{domain}.{''.join(texts[4])}" if domain else "".join(texts[4])
        return cls(op_type, tuple(texts[1]), tuple(texts[2]), message)

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return an attribute of one or several whole numbers, empty if it is not there."""
        for attribute in self._attributes():
            if as_text(dict(attribute).get(1, b"")) == name:
                return tuple(value for number, field in attribute if number in (3, 8) for value in _whole(field))
        return ()

    def reading(self, inputs: list[str]) -> Node:
        """Return the node with other inputs."""
        others = ((number, as_bytes(value)) for number, value in read_fields(memoryview(self.message)) if number != 1)
        message = b"".join(write_field(1, name.encode()) for name in inputs)
        message += b"".join(write_field(number, value) for number, value in others)
        return Node(self.op_type, tuple(inputs), self.outputs, message)

    @property
    def has_subgraph(self) -> bool:
        """Whether it is a condition or a loop."""
        return any(number in (6, 11) for attribute in self._attributes() for number, _ in attribute)

    def _attributes(self) -> Iterator[list[tuple[int, Field]]]:
        fields = read_fields(memoryview(self.message))
        return (list(read_fields(as_bytes(value))) for number, value in fields if number == 5)


@dataclass(frozen=True, slots=True)
class GraphParts:
    """``weights``, ``inputs`` and ``outputs`` map names to their messages; an input has no weight of its name."""

    header: bytes
    nodes: tuple[Node, ...]
    weights: Mapping[str, bytes]
    inputs: Mapping[str, bytes]
    outputs: Mapping[str, bytes]

    @classmethod
    def read(cls, path: Path) -> GraphParts:
        """Read a graph, whose weights are named as seen from the folder in which its file really is.

        A cache of the hub has links to files, behind which ONNX Runtime looks for what lies beside them. Raises:
        NotExact for what is not understood; ValueError or IndexError for a damaged file.
        """
        with path.open("rb") as stream:
            content = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        model = list(read_fields(content))
        graph = [field for number, value in model if number == _GRAPH for field in read_fields(as_bytes(value))]
        if any(number == _FUNCTIONS for number, _ in model) or any(number == _SPARSE_WEIGHTS for number, _ in graph):
            raise NotExact("it has functions or sparse weights of its own")
        nodes = tuple(Node.read(as_bytes(value)) for number, value in graph if number == _NODES)
        if any(node.has_subgraph for node in nodes):
            raise NotExact("it has conditions or loops")
        weights = dict(_weight(as_bytes(value), content, path) for number, value in graph if number == _WEIGHTS)
        inputs = {name: value for name, value in _named(graph, _INPUTS) if name not in weights}
        return cls(_header(model), nodes, weights, inputs, dict(_named(graph, _OUTPUTS)))

    def written(self) -> bytes:
        """Return the model file with the weights that its nodes use."""
        used = {name for node in self.nodes for name in node.inputs} | self.outputs.keys()
        graph = b"".join(write_field(_NODES, node.message) for node in self.nodes) + write_field(2, b"graph")
        graph += b"".join(write_field(_WEIGHTS, value) for name, value in self.weights.items() if name in used)
        graph += b"".join(write_field(_INPUTS, value) for value in self.inputs.values())
        graph += b"".join(write_field(_OUTPUTS, value) for value in self.outputs.values())
        return self.header + write_field(_GRAPH, graph)

    def producers(self) -> dict[str, Node]:
        """Return the node behind each name; a weight of one number counts as a constant."""
        single = (name for name, message in self.weights.items() if _num_elements(message) == 1)
        constants = {name: Node("Constant", (), (name,), b"") for name in single}
        return constants | {name: node for node in self.nodes for name in node.outputs if name}


def make_node(
    op_type: str, inputs: Iterable[str], outputs: Iterable[str], domain: str = "", **attributes: int | float | list[int]
) -> Node:
    """Return a new node; an attribute is a whole number, one with a fraction, or a list of whole numbers."""
    inputs, outputs = tuple(inputs), tuple(outputs)
    message = b"".join(write_field(1, name.encode()) for name in inputs)
    message += b"".join(write_field(2, name.encode()) for name in outputs) + write_field(4, op_type.encode())
    message += b"".join(write_field(5, _attribute(name, value)) for name, value in attributes.items())
    message += write_field(7, domain.encode()) if domain else b""
    return Node(f"{domain}.{op_type}" if domain else op_type, inputs, outputs, message)


def make_value(name: str, dtype: int = 0, dims: tuple[str, ...] | None = None) -> bytes:
    """Return a ValueInfoProto; without a type ONNX Runtime infers it, without ``dims`` any shape will do."""
    if not dtype:
        return write_field(1, name.encode())
    shape = b"".join(write_field(1, write_field(2, dim.encode())) for dim in dims or ())
    tensor = write_number(1, dtype) + (write_field(2, shape) if dims is not None else b"")
    return write_field(1, name.encode()) + write_field(2, write_field(1, tensor))


def make_numbers(name: str, values: list[int]) -> bytes:
    """Return a weight of some int64."""
    raw = np.array(values, "<i8").tobytes()
    return write_number(1, len(values)) + write_number(2, 7) + write_field(8, name.encode()) + write_field(9, raw)


def _attribute(name: str, value: int | float | list[int]) -> bytes:
    begin = write_field(1, name.encode())
    if isinstance(value, list):
        return begin + b"".join(write_number(8, each) for each in value) + write_number(20, _INTS)
    if isinstance(value, float):
        return begin + bytes([2 << 3 | 5]) + struct.pack("<f", value) + write_number(20, _FLOAT)
    return begin + write_number(3, value) + write_number(20, _INT)


def _whole(field: Field) -> Iterator[int]:
    """Yield signed numbers, packed or not."""
    packed = (
        [value for _, value in read_fields(memoryview(_unpacked(field)))] if not isinstance(field, int) else [field]
    )
    for value in packed:
        if not isinstance(value, int):
            raise ValueError("a number is a text")
        yield value - 2**64 if value >= 2**63 else value


def _unpacked(field: memoryview) -> bytes:
    """Return packed numbers with a key before each."""
    content, begins = bytearray(), True
    for byte in field:
        content += bytes([8, byte]) if begins else bytes([byte])
        begins = byte < 0x80
    return bytes(content)


def _header(model: Iterable[tuple[int, Field]]) -> bytes:
    """Return version and operator sets, Microsoft's among them."""
    header, domains = b"", set()
    for number, value in model:
        if number == _IR_VERSION and isinstance(value, int):
            header += write_number(number, value)
        elif number == _OPSETS:
            header += write_field(number, as_bytes(value))
            domains |= {as_text(each) for key, each in read_fields(as_bytes(value)) if key == 1}
    own = write_field(_OPSETS, write_field(1, MICROSOFT.encode()) + write_number(2, 1))
    return header if MICROSOFT in domains else header + own


def _named(graph: Iterable[tuple[int, Field]], wanted: int) -> Iterator[tuple[str, bytes]]:
    for number, value in graph:
        if number == wanted:
            message = as_bytes(value)
            yield as_text(dict(read_fields(message)).get(1, b"")), bytes(message)


def _weight(message: memoryview, content: memoryview, path: Path) -> tuple[str, bytes]:
    """Return name and message of a weight, a large one's with its place in a file instead of its values."""
    fields = list(read_fields(message))
    single = dict(fields)
    name, raw = as_text(single.get(8, b"")), single.get(9)
    if path.is_symlink() and any(number == _EXTERNAL for number, _ in fields):
        return name, b"".join(_renamed(number, value, path) for number, value in fields)
    if raw is None or len(as_bytes(raw)) <= MAX_INLINE_BYTES:
        return name, bytes(message)
    place = {
        "location": path.resolve().name,
        "offset": str(_offset(as_bytes(raw), content)),
        "length": str(len(as_bytes(raw))),
    }
    dims = b"".join(write_number(1, size) for number, field in fields if number == 1 for size in _whole(field))
    dtype = single.get(2)
    entries = (write_field(1, key.encode()) + write_field(2, value.encode()) for key, value in place.items())
    written = dims + write_number(2, dtype if isinstance(dtype, int) else 0) + write_field(8, name.encode())
    return name, written + b"".join(write_field(_EXTERNAL, entry) for entry in entries) + write_number(14, 1)


def _renamed(number: int, value: Field, path: Path) -> bytes:
    """Return a field of a weight beside the graph, whose file has another name in the folder that ``path`` leads to."""
    if isinstance(value, int):
        return write_number(number, value)
    entry = dict(read_fields(value)) if number == _EXTERNAL else {}
    if as_text(entry.get(1, b"")) != "location":
        return write_field(number, value)
    file = (path.parent / as_text(entry.get(2, b""))).resolve()
    name = os.path.relpath(file, path.resolve().parent).replace(os.sep, "/")
    return write_field(number, write_field(1, b"location") + write_field(2, name.encode()))


def _num_elements(message: bytes) -> int:
    dims = (size for number, field in read_fields(memoryview(message)) if number == 1 for size in _whole(field))
    return math.prod(dims)


def _offset(part: memoryview, whole: memoryview) -> int:
    begin, end = (np.frombuffer(each, np.uint8).ctypes.data for each in (whole, part))
    return int(end - begin)
