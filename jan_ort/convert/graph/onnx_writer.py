"""Writing an ONNX model whose initialisers go straight to the external-data file, equal bytes only once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

MICROSOFT = "com.microsoft"
"""The operator domain of ONNX Runtime's own operators."""

_OPSET = 21
_IR_VERSION = 10
_PAGE_BYTES = 4096  # offsets are multiples of it, so that the runtime can map initialisers instead of copying them
_INLINE_BYTES = 256  # shapes and indices stay in model.onnx, where shape inference looks for them

Shape = Sequence[int | str]


class OnnxWriter:
    """The graph under construction in ``folder``: model.onnx, and model.onnx.data which grows with every initialiser.

    A context manager; leave it before the folder is used.
    """

    def __init__(self, folder: Path) -> None:
        self._model_path = folder / "model.onnx"
        self._data_path = folder / "model.onnx.data"
        self._stream = self._data_path.open("wb")
        self._offsets: dict[bytes, int] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def __enter__(self) -> OnnxWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def initializer(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant; equal bytes share one place in the file, whatever their shapes. Returns ``name``."""
        array = np.ascontiguousarray(array)
        if array.nbytes < _INLINE_BYTES:
            self._initializers.append(onnx.numpy_helper.from_array(array, name))
            return name
        proto = onnx.TensorProto(name=name, dims=array.shape, data_location=onnx.TensorProto.EXTERNAL)
        proto.data_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        place = {"location": self._data_path.name, "offset": self._place(array), "length": array.nbytes}
        for key, value in place.items():
            proto.external_data.add(key=key, value=str(value))
        self._initializers.append(proto)
        return name

    def _place(self, array: NDArray[Any]) -> int:
        """Return the offset of the array's bytes, written now unless they are there already."""
        content = array.reshape(-1).view(np.uint8).data
        digest = hashlib.blake2b(content).digest()
        if digest not in self._offsets:
            self._stream.write(bytes(-self._stream.tell() % _PAGE_BYTES))
            self._offsets[digest] = self._stream.tell()
            self._stream.write(content)
        return self._offsets[digest]

    def node(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], *, domain: str = "", **at: Any) -> str:
        """Add a node, named after its first output, which is returned; ``at`` are its attributes."""
        name = f"{outputs[0]}/{operator}"
        self._nodes.append(helper.make_node(operator, inputs, outputs, name=name, domain=domain, **at))
        return outputs[0]

    def input(self, name: str, dtype: type[np.generic], shape: Shape) -> str:
        """Declare an input of the graph; a dimension is a number or the name of one that varies. Returns ``name``."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def output(self, name: str, dtype: type[np.generic], shape: Shape) -> None:
        """Declare an output of the graph, in the order of the calls."""
        self._outputs.append(_value(name, dtype, shape))

    def save(self, graph_name: str, metadata: Mapping[str, str]) -> None:
        """Write model.onnx with ``metadata`` as the model's metadata_props."""
        graph = helper.make_graph(self._nodes, graph_name, self._inputs, self._outputs, self._initializers)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="jan-ort")
        helper.set_model_props(model, dict(metadata))
        self._model_path.write_bytes(model.SerializeToString())


def _value(name: str, dtype: type[np.generic], shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
