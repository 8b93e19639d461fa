"""Writing an ONNX model whose initialisers go straight to the external-data file, equal bytes only once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from os import SEEK_END
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import helper

MICROSOFT = "com.microsoft"
"""The operator domain of ONNX Runtime's own operators."""

_OPSET = 21
_IR_VERSION = 10
_PAGE_BYTES = 4096  # offsets are multiples of it, so that the runtime can map initialisers instead of copying them
_INLINE_BYTES = 256  # shapes and indices stay in model.onnx, where shape inference looks for them

Shape = Sequence[int | str]


class OnnxWriter:
    """The graph under construction in ``folder``: STEM.onnx, and STEM.onnx.data which grows with every initialiser.

    A context manager; leave it before the folder is used.
    """

    def __init__(self, folder: Path, stem: str = "model") -> None:
        self._model_path = folder / f"{stem}.onnx"
        self._data_path = folder / f"{stem}.onnx.data"
        self._stream = self._data_path.open("w+b")
        self._offsets: dict[bytes, int] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._oldest_runtime = ""

    def __enter__(self) -> OnnxWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def initializer(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant; equal bytes share one place in the file, whatever their shapes. Returns ``name``."""
        array = np.asarray(array, order="C")  # np.ascontiguousarray would make a list of a number
        if array.nbytes < _INLINE_BYTES:
            self._initializers.append(onnx.numpy_helper.from_array(array, name))
            return name
        return self.initializer_of_rows(name, array.dtype, array.shape, [array])

    def initializer_of_rows(
        self, name: str, dtype: DTypeLike, shape: tuple[int, ...], blocks: Iterable[NDArray[Any]]
    ) -> str:
        """Add a constant of ``shape`` whose rows come in ``blocks``, of which one is in memory at a time."""
        begin = self._begin()
        digest = hashlib.blake2b()
        for block in blocks:
            content = np.ascontiguousarray(block, dtype).reshape(-1).view(np.uint8).data
            digest.update(content)
            self._stream.write(content)
        assert self._stream.tell() == begin + _num_bytes(dtype, shape), name
        offset = self._offsets.setdefault(digest.digest(), begin)
        if offset != begin:  # these bytes were there already
            self._stream.seek(begin)
            self._stream.truncate()
        return self._external(name, dtype, shape, offset)

    def same_initializer(self, name: str, other: str, shape: tuple[int, ...] = ()) -> str:
        """Add a constant that has the bytes of another one, in a shape of its own if one is given."""
        proto = onnx.TensorProto()
        proto.CopyFrom(next(each for each in self._initializers if each.name == other))
        proto.name, proto.dims[:] = name, shape or proto.dims
        self._initializers.append(proto)
        return name

    def transposed_initializer(
        self, name: str, dtype: DTypeLike, shape: tuple[int, ...], blocks: Iterable[NDArray[Any]]
    ) -> str:
        """Add a matrix of ``shape`` whose columns come in ``blocks``, as rows; it is put together in the file."""
        begin, rest = self._begin(), iter(blocks)
        # It is read before the file grows: a size that no tensor has is refused then, and not every disk has holes.
        first_block = next(rest)
        self._stream.truncate(begin + _num_bytes(dtype, shape))
        self._stream.flush()
        matrix, first = np.memmap(self._data_path, dtype, "r+", begin, shape), 0
        for block in chain([first_block], rest):
            matrix[:, first : first + len(block)] = block.T
            first += len(block)
        assert first == shape[1], name
        del matrix
        self._stream.seek(0, SEEK_END)
        return self._external(name, dtype, shape, begin)

    def _begin(self) -> int:
        """Return where the next initialiser begins."""
        self._stream.write(bytes(-self._stream.tell() % _PAGE_BYTES))
        return self._stream.tell()

    def _external(self, name: str, dtype: DTypeLike, shape: tuple[int, ...], offset: int) -> str:
        proto = onnx.TensorProto(name=name, dims=shape, data_location=onnx.TensorProto.EXTERNAL)
        proto.data_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        place = {"location": self._data_path.name, "offset": offset, "length": _num_bytes(dtype, shape)}
        for key, value in place.items():
            proto.external_data.add(key=key, value=str(value))
        self._initializers.append(proto)
        return name

    def node(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], *, domain: str = "", **at: Any) -> str:
        """Add a node, named after its first output, which is returned; ``at`` are its attributes."""
        name = f"{outputs[0]}/{operator}"
        self._nodes.append(helper.make_node(operator, inputs, outputs, name=name, domain=domain, **at))
        return outputs[0]

    def reshape(self, x: str, output: str, shape: list[int]) -> str:
        """Add a change of shape; 0 keeps a dimension. Returns ``output``."""
        return self.node("Reshape", [x, self.initializer(f"{output}.shape", np.array(shape, np.int64))], [output])

    def move_last(self, beginning: str) -> None:
        """Put the nodes whose first output's name has this beginning behind all others, in the order that they have."""
        self._nodes.sort(key=lambda node: node.output[0].startswith(beginning))

    def input(self, name: str, dtype: type[np.generic], shape: Shape) -> str:
        """Declare an input of the graph; a dimension is a number or the name of one that varies. Returns ``name``."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def output(self, name: str, dtype: type[np.generic], shape: Shape) -> None:
        """Declare an output of the graph, in the order of the calls."""
        self._outputs.append(_value(name, dtype, shape))

    def need_runtime(self, version: str) -> None:
        """Say that older versions of onnxruntime fail in a way of which there is no error: "jan_ort.onnxruntime"."""
        self._oldest_runtime = version

    def save(self, graph_name: str, metadata: Mapping[str, str]) -> None:
        """Write the graph's file with ``metadata`` as the model's metadata_props."""
        graph = helper.make_graph(self._nodes, graph_name, self._inputs, self._outputs, self._initializers)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="jan-ort")
        needed = {"jan_ort.onnxruntime": self._oldest_runtime} if self._oldest_runtime else {}
        helper.set_model_props(model, {**metadata, **needed})
        self._model_path.write_bytes(model.SerializeToString())


def _num_bytes(dtype: DTypeLike, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def _value(name: str, dtype: type[np.generic], shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
