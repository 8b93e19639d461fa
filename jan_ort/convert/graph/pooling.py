"""From the hidden states of a text's tokens to its vector, or to the numbers of a head, as nodes of the graph."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from jan_ort.convert.architectures.encoder import Encoder, EncoderConfig
from jan_ort.convert.graph.encoder_nodes import WeightNodes
from jan_ort.convert.graph.graph_nodes import GraphNodes
from jan_ort.convert.inputs.encoder_weights import EncoderWeights

_LEAST = np.array(-3e38, np.float32)


def pool(nodes: GraphNodes, hidden: str, mode: str) -> str:
    """Add one vector a row, of ``hidden`` ``(batch, sequence, size)`` padded on the right; ``mode`` is one of MODES."""
    if mode == "cls":
        return nodes.node("Gather", hidden, nodes.constant("first", np.array(0, np.int64)), axis=1)
    axis = nodes.constant("sequence_axis", np.array([1], np.int64))
    if mode == "last":
        lengths = nodes.node("ReduceSum", "attention_mask", axis, keepdims=1)  # (batch, 1)
        place = nodes.node("Sub", lengths, nodes.constant("one_token", np.array(1, np.int64)))
        return nodes.node("GatherND", hidden, place, batch_dims=1)
    mask = nodes.node("Cast", "attention_mask", to=TensorProto.FLOAT)
    if mode == "max":
        column = nodes.node("Unsqueeze", mask, nodes.constant("size_axis", np.array([2], np.int64)))
        inside = nodes.node("Cast", column, to=TensorProto.BOOL)
        kept = nodes.node("Where", inside, hidden, nodes.constant("least", _LEAST))
        return nodes.node("ReduceMax", kept, axis, keepdims=0)
    row = nodes.node("Unsqueeze", mask, axis)  # (batch, 1, sequence)
    total = nodes.node("Squeeze", nodes.node("MatMul", row, hidden), axis)  # (batch, size)
    count = nodes.node("ReduceSum", mask, axis, keepdims=1)  # (batch, 1)
    return nodes.node("Div", total, nodes.node("Max", count, nodes.constant("min_count", np.array(1e-9, np.float32))))


def normalize(nodes: GraphNodes, vector: str) -> str:
    """Divide each row by its Euclidean length, at least 1e-12 (torch.nn.functional.normalize)."""
    length = nodes.node("ReduceL2", vector, nodes.constant("sequence_axis", np.array([1], np.int64)), keepdims=1)
    return nodes.node(
        "Div", vector, nodes.node("Max", length, nodes.constant("min_length", np.array(1e-12, np.float32)))
    )


def score(nodes: WeightNodes, hidden: str, encoder: Encoder, config: EncoderConfig, weights: EncoderWeights) -> str:
    """Add the numbers of a head, float32 ``(batch, num_labels)``, without the activation behind them."""
    vector = pool(nodes, hidden, config.head_pooling)
    if weights.has("head_dense"):
        vector = nodes.activate(nodes.linear("head_dense", 0, vector, config.hidden_size), encoder.head_activation)
    if weights.has("head_norm"):
        vector = nodes.norm("head_norm", 0, vector)
    return nodes.linear("head_output", 0, vector, config.num_labels)
