"""The writer of small graphs, against the onnx package."""

import numpy as np
import onnx

from jan_ort_onnxruntime.graphs.onnx_writer import Node, write_graph


def test_a_graph_that_is_written_by_hand_is_one_that_onnx_accepts() -> None:
    matrix = np.arange(600, dtype=np.float32).reshape(2, 300)
    nodes = [Node("MatMul", ("a", "weights"), ("b",)), Node("Identity", ("b",), ("c",))]

    model = onnx.load_from_string(write_graph(nodes, {"a": ["n", "m"]}, {"c": ["n", "k"]}, {"weights": matrix}))

    onnx.checker.check_model(model, full_check=True)
    assert np.array_equal(onnx.numpy_helper.to_array(model.graph.initializer[0]), matrix)
    assert [node.op_type for node in model.graph.node] == ["MatMul", "Identity"]
