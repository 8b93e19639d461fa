"""What an ONNX file says about itself, read in milliseconds and without its weights.

Source: onnx.proto3 of ONNX 1.23 (field numbers), and the encoding of protocol buffers. The weights, inside the file or
beside it, are skipped: a folder is judged before anything is loaded.
"""

from __future__ import annotations

import mmap
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jan_ort_backends import ModelError
from jan_ort_backends.small_files import leaves_folder, why_no_file
from jan_ort_onnxruntime.graphs.lookup_tables import LookupTables
from jan_ort_onnxruntime.graphs.operator_needs import OperatorNeed, read_need
from jan_ort_onnxruntime.graphs.protobuf_wire import Field, as_bytes, as_text, read_fields

DTYPES = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64", 16: "bfloat16"}
"""The element types that matter here, by their numbers in a TensorProto, as numpy calls them."""

_SHOWN_NAME = 200
_MAX_DIGITS = 20

Fields = Iterable[tuple[int, Field]]


@dataclass(frozen=True, slots=True)
class GraphValue:
    """An input or output: ``dtype`` as numpy calls it; a dimension that varies is its name, or "?"."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A graph's inputs and outputs, its operators with their numbers, its metadata, and the files of its weights.

    ``made_by`` is the operator that computes each output. ``needs`` are those of the operators that decide where it can
    run. ``external_files`` maps each file, relative to the graph's own folder, to the bytes that it must have at least.
    ``tables`` are those of tokens and positions.
    """

    path: Path
    inputs: Mapping[str, GraphValue]
    outputs: Mapping[str, GraphValue]
    op_types: Mapping[str, int]
    made_by: Mapping[str, str]
    needs: frozenset[OperatorNeed]
    metadata: Mapping[str, str]
    external_files: Mapping[str, int]
    tables: LookupTables

    @classmethod
    def read(cls, path: Path) -> OnnxFile:
        """Read the file ``path``, or return what was read of it a moment ago. Raises: ModelError if it is no graph."""
        try:
            status = path.stat()
            return cls._read(path, status.st_mtime_ns, status.st_size, status.st_ino)
        except (ValueError, IndexError, OSError) as error:
            why = why_no_file(path) or f"is not an ONNX graph ({error})"
            raise ModelError(f"{path} cannot be loaded: it {why}; convert or download the model again") from error

    @classmethod
    @lru_cache(maxsize=4)  # who accepts a folder, counts its memory and opens it reads 30 ms each
    def _read(cls, path: Path, *_: int) -> OnnxFile:
        with path.open("rb") as stream:
            model = list(read_fields(memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))))
        graph = [field for number, value in model if number == 7 for field in read_fields(as_bytes(value))]
        if not graph:
            raise ValueError("there is no graph in it")
        return cls._of(path, model, graph)

    @classmethod
    def _of(cls, path: Path, model: Fields, graph: Fields) -> OnnxFile:
        nodes = [list(read_fields(message)) for message in _messages(graph, 1)]
        tensors = [list(read_fields(message)) for message in _messages(graph, 5)]
        weights = {as_text(each.get(8, b"")): _dtype(each.get(2), "") for each in map(dict, tensors)}
        inputs = [_read_value(message) for message in _messages(graph, 11)]
        outputs = {value.name: value for value in map(_read_value, _messages(graph, 12))}
        types = weights | {value.name: value.dtype for value in inputs}
        op_types = [next((as_text(value) for number, value in node if number == 4), "") for node in nodes]
        needs = (read_need(op_type, node, types) for op_type, node in zip(op_types, nodes, strict=True))
        return cls(
            path=path,
            inputs={value.name: value for value in inputs if value.name not in weights},  # old files list them, too
            outputs=outputs,
            op_types=Counter(op_types),
            made_by={name: op_type for name, op_type in _made_by(nodes, op_types) if name in outputs},
            needs=frozenset(need for need in needs if need is not None),
            metadata=dict(_pair(message) for message in _messages(model, 14)),
            external_files=_external_files(tensors),
            tables=LookupTables.read(nodes, op_types, tensors),
        )

    def missing_files(self) -> list[str]:
        """Return one line for each file of weights that is not there, too short or not ours to read."""
        problems = []
        for name, num_bytes in sorted(self.external_files.items()):
            path, shown = self.path.parent / name, self.path.parent / name[:_SHOWN_NAME]
            if (why := why_no_file(path)) is not None:
                problems.append(f"{shown} with the graph's weights {why}")
            elif path.stat().st_size < num_bytes:
                problems.append(f"{shown} has {path.stat().st_size} bytes of at least {num_bytes}")
            elif not os.access(path, os.R_OK):
                problems.append(f"{shown} cannot be read: permission denied; change its mode")
        return problems


def _made_by(nodes: Iterable[Fields], op_types: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name with the operator that computes it."""
    for node, op_type in zip(nodes, op_types, strict=True):
        yield from ((as_text(value), op_type) for number, value in node if number == 2)


def _external_files(tensors: Iterable[Fields]) -> dict[str, int]:
    """Return the files of the tensors that lie outside the graph, with the end of the last one."""
    files: dict[str, int] = {}
    for tensor in tensors:
        entries = dict(_pair(message) for message in _messages(tensor, 13))
        if "location" in entries:
            location, offset, length = entries["location"], _size(entries, "offset"), _size(entries, "length")
            if leaves_folder(location):
                raise ValueError(f"its weights are in {location[:80]!r}, outside its folder")
            files[location] = max(offset + length, files.get(location, 0))
    return files


def _size(entries: Mapping[str, str], key: str) -> int:
    text = entries.get(key, "0")
    if not (text.isascii() and text.isdigit() and len(text) < _MAX_DIGITS):
        raise ValueError(f"the {key} of its weights is {text[:80]!r}")
    return int(text)


def _read_value(message: memoryview) -> GraphValue:
    """Read a ValueInfoProto; what is no tensor has the dtype "other"."""
    fields = dict(read_fields(message))
    tensor = dict(read_fields(as_bytes(fields.get(2, b"")))).get(1)
    described = dict(read_fields(as_bytes(tensor))) if tensor is not None else {}
    shape = map(_dimension, _messages(read_fields(as_bytes(described.get(2, b""))), 1))
    return GraphValue(as_text(fields.get(1, b"")), _dtype(described.get(1), "other"), tuple(shape))


def _dimension(message: memoryview) -> int | str:
    fields = dict(read_fields(message))
    size = fields.get(1)
    return size if isinstance(size, int) else as_text(fields.get(2, b"")) or "?"


def _pair(message: memoryview) -> tuple[str, str]:
    fields = dict(read_fields(message))
    return as_text(fields.get(1, b"")), as_text(fields.get(2, b""))


def _messages(fields: Fields, wanted: int) -> Iterator[memoryview]:
    """Yield the nested messages of a number."""
    return (as_bytes(value) for number, value in fields if number == wanted)


def _dtype(number: object, otherwise: str) -> str:
    return DTYPES.get(number, otherwise) if isinstance(number, int) else otherwise
