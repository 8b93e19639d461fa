"""Nodes of an encoder's graph: products, norms and activations, of weights by what they are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.encoder import Activation, EncoderConfig
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.inputs.encoder_weights import EncoderWeights

_ACTIVATIONS: Mapping[Activation, tuple[str, str, Mapping[str, Any]]] = MappingProxyType(
    {
        "gelu": ("Gelu", "", {}),
        "gelu_pytorch_tanh": ("Gelu", "", {"approximate": "tanh"}),
        "quick_gelu": ("QuickGelu", MICROSOFT, {"alpha": 1.702}),
        "silu": ("QuickGelu", MICROSOFT, {"alpha": 1.0}),
        "relu": ("Relu", "", {}),
        "tanh": ("Tanh", "", {}),
    }
)


class GraphNodes:
    """Adds nodes and constants to ``writer``; methods return their result's name."""

    def __init__(self, writer: OnnxWriter) -> None:
        self._writer = writer
        self._constants: set[str] = set()
        self._num_nodes = 0

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant; a second one of the name is the first."""
        if name not in self._constants:
            self._constants.add(name)
            self._writer.initializer(name, values)
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", unused: tuple[str, ...] = (), **at: Any) -> str:
        """Add a node with one output that is used."""
        self._num_nodes += 1
        return self._writer.node(operator, inputs, [f"{operator}_{self._num_nodes}", *unused], domain=domain, **at)

    def split(self, packed: str, sizes: str, count: int) -> tuple[str, ...]:
        """Cut along the last dimension."""
        outputs = [f"{packed}.{part}" for part in range(count)]
        self._writer.node("Split", [packed, sizes], outputs, axis=-1)
        return tuple(outputs)

    def product(self, name: str, x: str, matrix: NDArray[np.float32], bias: NDArray[np.float32] | None) -> str:
        """Multiply by ``matrix`` ``(outputs, inputs)``, and add a bias if there is one."""
        result = self.node("MatMul", x, self.constant(name, matrix.T))
        return result if bias is None else self.node("Add", result, self.constant(f"{name}_bias", bias))

    def activate(self, x: str, activation: Activation) -> str:
        """Add an activation."""
        operator, domain, at = _ACTIVATIONS[activation]
        return self.node(operator, x, domain=domain, **at)

    def positions(self) -> str:
        """Add the numbers of the tokens of a row, int64 ``(sequence,)``."""
        shape = self.node("Shape", "input_ids", start=1, end=2)
        length = self.node("Squeeze", shape)
        zero, one = (self.constant(f"int_{each}", np.array(each, np.int64)) for each in (0, 1))
        return self.node("Range", zero, length, one)


class WeightNodes(GraphNodes):
    """Adds products and norms too, of the tensors of ``weights`` by what they are."""

    def __init__(self, writer: OnnxWriter, config: EncoderConfig, weights: EncoderWeights) -> None:
        super().__init__(writer)
        self._config = config
        self._weights = weights

    def linear(self, role: str, layer: int, x: str, rows: int) -> str:
        """Multiply by the matrix of a role, and add its bias if there is one."""
        inputs = self._config.intermediate_size if role == "down" else self._config.hidden_size
        matrix = self._weights.read(role, (rows, inputs), layer)
        return self.product(f"{role}.{layer}", x, matrix, self._weights.bias(role, rows, layer))

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
