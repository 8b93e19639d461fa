"""Nodes of an encoder's graph: its layers' products and norms, of weights by what they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.encoder import HEAD_ROLES, EncoderConfig
from jan_ort.convert.graph.encoder_matrices import EncoderMatrices
from jan_ort.convert.graph.graph_nodes import GraphNodes
from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.inputs.encoder_weights import EncoderWeights


class WeightNodes(GraphNodes):
    """Adds norms and products too, those of layers by ``matrices``, of the tensors of ``weights`` by what they are."""

    def __init__(
        self, writer: OnnxWriter, matrices: EncoderMatrices, config: EncoderConfig, weights: EncoderWeights
    ) -> None:
        super().__init__(writer)
        self.matrices = matrices
        self._config = config
        self._weights = weights

    def linear(self, role: str, layer: int, x: str, rows: int) -> str:
        """Multiply by the matrix of a role, and add its bias if there is one."""
        inputs = self._config.intermediate_size if role == "down" else self._config.hidden_size
        matrix = self._weights.read(role, (rows, inputs), layer)
        product = self.product if role in HEAD_ROLES else self.layer_product
        return product(f"{role}.{layer}", x, matrix, self._weights.bias(role, rows, layer))

    def layer_product(self, name: str, x: str, matrix: NDArray[np.float32], bias: NDArray[np.float32] | None) -> str:
        """Add a layer's product, as ``product`` does any."""
        return self.biased(name, self.matrices.multiply(self, name, x, matrix), bias)

    def norm(self, role: str, layer: int, x: str) -> str:
        """Add a norm."""
        weights = self.norm_weights(role, layer)
        return self.node("LayerNormalization", x, *weights, axis=-1, epsilon=self._config.layer_norm_eps)

    def norm_weights(self, role: str, layer: int, *, bias: bool = False) -> list[str]:
        """Add the weight of a norm and its bias; ``bias``: of zeros if there is none."""
        size = self._config.hidden_size
        shift = self._weights.bias(role, size, layer)
        if shift is None and bias:
            shift = np.zeros(size, np.float32)
        weight = self.constant(f"{role}.{layer}", self._weights.read(role, (size,), layer))
        return [weight] if shift is None else [weight, self.constant(f"{role}_bias.{layer}", shift)]
