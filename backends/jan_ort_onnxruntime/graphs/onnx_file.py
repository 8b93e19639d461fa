"""What an ONNX file says about itself, read in milliseconds and without its weights.

Source: onnx.proto3 of ONNX 1.23 (field numbers), and the encoding of protocol buffers. The weights, inside the file or
beside it, are skipped: a folder is judged before anything is loaded.
"""

from __future__ import annotations

import mmap
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.graphs.protobuf_wire import Field, as_bytes, as_text, read_fields

DTYPES = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64", 16: "bfloat16"}
"""The element types that matter here, by their numbers in a TensorProto, as numpy calls them."""


@dataclass(frozen=True, slots=True)
class GraphValue:
    """An input or output: ``dtype`` as numpy calls it; a dimension that varies is its name, or "?"."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A graph's inputs and outputs, its operators with their numbers, its metadata, and the files of its weights.

    ``external_files`` maps each file, relative to the graph's own folder, to the bytes that it must have at least.
    """

    path: Path
    inputs: Mapping[str, GraphValue]
    outputs: Mapping[str, GraphValue]
    op_types: Mapping[str, int]
    metadata: Mapping[str, str]
    external_files: Mapping[str, int]

    @classmethod
    def read(cls, path: Path) -> OnnxFile:
        """Read the file ``path``. Raises: ModelError if it is no ONNX graph."""
        try:
            with path.open("rb") as stream:
                model = list(read_fields(memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))))
            graph = [field for number, value in model if number == 7 for field in read_fields(as_bytes(value))]
            if not graph:
                raise ValueError("there is no graph in it")
            return cls._of(path, model, graph)
        except (ValueError, IndexError, OSError) as error:
            raise ModelError(
                f"{path} cannot be loaded: it is no ONNX graph ({error}); convert or download the model again"
            ) from error

    @classmethod
    def _of(cls, path: Path, model: list[tuple[int, Field]], graph: list[tuple[int, Field]]) -> OnnxFile:
        tensors = [dict(read_fields(as_bytes(value))) for number, value in graph if number == 5]
        weights = {as_text(tensor.get(8, b"")) for tensor in tensors}  # old files list them as inputs, too
        inputs = [read_value(as_bytes(value)) for number, value in graph if number == 11]
        outputs = [read_value(as_bytes(value)) for number, value in graph if number == 12]
        op_types = [_first(as_bytes(value), 4) for number, value in graph if number == 1]
        return cls(
            path=path,
            inputs={value.name: value for value in inputs if value.name not in weights},
            outputs={value.name: value for value in outputs},
            op_types=Counter(op_types),
            metadata=dict(_pair(as_bytes(value)) for number, value in model if number == 14),
            external_files=_external_files(as_bytes(value) for number, value in graph if number == 5),
        )

    def missing_files(self) -> list[str]:
        """Return one line for each file of weights that is not there, too short or not ours to read."""
        problems = []
        for name, num_bytes in sorted(self.external_files.items()):
            path = self.path.parent / name
            if not path.is_file():
                problems.append(f"{path} with the graph's weights does not exist")
            elif path.stat().st_size < num_bytes:
                problems.append(f"{path} has {path.stat().st_size} bytes of at least {num_bytes}")
            elif not os.access(path, os.R_OK):
                problems.append(f"{path} cannot be read: permission denied; change its mode")
        return problems


def _external_files(tensors: Iterator[memoryview]) -> dict[str, int]:
    """Return the files of the tensors that lie outside the graph, with the end of the last one."""
    files: dict[str, int] = {}
    for tensor in tensors:
        entries = dict(_pair(as_bytes(value)) for number, value in read_fields(tensor) if number == 13)
        if "location" in entries:
            end = int(entries.get("offset", "0")) + int(entries.get("length", "0"))
            files[entries["location"]] = max(end, files.get(entries["location"], 0))
    return files


def read_value(message: memoryview) -> GraphValue:
    """Read a ValueInfoProto; what is no tensor has the dtype "other"."""
    fields = dict(read_fields(message))
    tensor = dict(read_fields(as_bytes(fields.get(2, b"")))).get(1)
    described = dict(read_fields(as_bytes(tensor))) if tensor is not None else {}
    shape = [
        _dimension(as_bytes(value)) for number, value in read_fields(as_bytes(described.get(2, b""))) if number == 1
    ]
    elem_type = described.get(1, 0)
    dtype = DTYPES.get(elem_type, "other") if isinstance(elem_type, int) else "other"
    return GraphValue(as_text(fields.get(1, b"")), dtype, tuple(shape))


def _dimension(message: memoryview) -> int | str:
    fields = dict(read_fields(message))
    size = fields.get(1)
    return size if isinstance(size, int) else as_text(fields.get(2, b"")) or "?"


def _pair(message: memoryview) -> tuple[str, str]:
    fields = dict(read_fields(message))
    return as_text(fields.get(1, b"")), as_text(fields.get(2, b""))


def _first(message: memoryview, wanted: int) -> str:
    return next((as_text(value) for number, value in read_fields(message) if number == wanted), "")
