"""A graph whose only score is how many tokens are of the second text."""

from __future__ import annotations

from pathlib import Path

import onnx


def write_scoring_graph(path: Path) -> None:
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 1])
    nodes = [
        onnx.helper.make_node("Mul", ["token_type_ids", "attention_mask"], ["counted"]),
        onnx.helper.make_node("Cast", ["counted"], ["floats"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("ReduceSum", ["floats", "axis"], ["logits"], keepdims=1),
    ]
    axis = onnx.helper.make_tensor("axis", onnx.TensorProto.INT64, [1], [1])
    graph = onnx.helper.make_graph(nodes, "count", inputs, [output], [axis])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, path)
