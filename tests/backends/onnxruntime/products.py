"""ONNX Runtime's products of quantised matrices, alone: of any bits and block size, with random weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_COMPANY = (2, 3, 5, 8, 17, 40)
_DOMAIN = "com.microsoft"


@dataclass(frozen=True, slots=True)
class Products:
    """``count`` products of one input with matrices of ``rows`` x ``columns``, which no cache holds together."""

    bits: int
    block: int
    rows: int
    columns: int
    count: int

    def open(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(self._model(), options, providers=["CPUExecutionProvider"])

    def _model(self) -> bytes:
        rng, blocks = np.random.default_rng(0), self.columns // self.block
        at = {"K": self.columns, "N": self.rows, "bits": self.bits, "block_size": self.block, "accuracy_level": 4}
        nodes, initializers, outputs = [], [], []
        for index in range(self.count):
            packed = (self.rows, blocks, self.block * self.bits // 8)
            codes = rng.integers(0, 256, packed, dtype=np.uint8)
            scales = rng.random(self.rows * blocks, dtype=np.float32)
            initializers += [
                numpy_helper.from_array(codes, f"codes{index}"),
                numpy_helper.from_array(scales, f"scales{index}"),
            ]
            inputs = ["x", f"codes{index}", f"scales{index}"]
            nodes.append(helper.make_node("MatMulNBits", inputs, [f"y{index}"], domain=_DOMAIN, **at))
            outputs.append(helper.make_tensor_value_info(f"y{index}", TensorProto.FLOAT, ["rows", self.rows]))
        given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", self.columns])
        graph = helper.make_graph(nodes, "products", [given], outputs, initializers)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(_DOMAIN, 1)]
        return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())


def inputs(num_rows: int, columns: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((num_rows, columns)).astype(np.float32)


def same_in_company(products: Products) -> bool:
    """Say whether each row has the bits that it has alone, with 1 to 39 others."""
    session, x = products.open(), inputs(max(_COMPANY), products.columns)
    alone = np.concatenate([session.run(None, {"x": x[at : at + 1]})[0] for at in range(len(x))])
    return all(np.array_equal(session.run(None, {"x": x[:count]})[0], alone[:count]) for count in _COMPANY)
