"""Nodes of a graph: constants, products and activations; each method returns its result's name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.encoder import Activation
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter

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
        self.writer = writer
        self._constants: set[str] = set()
        self._num_nodes = 0

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant; a second one of the name is the first."""
        if name not in self._constants:
            self._constants.add(name)
            self.writer.initializer(name, values)
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", unused: tuple[str, ...] = (), **at: Any) -> str:
        """Add a node with one output that is used."""
        self._num_nodes += 1
        return self.writer.node(operator, inputs, [f"{operator}_{self._num_nodes}", *unused], domain=domain, **at)

    def split(self, packed: str, sizes: str, count: int) -> tuple[str, ...]:
        """Cut along the last dimension."""
        outputs = [f"{packed}.{part}" for part in range(count)]
        self.writer.node("Split", [packed, sizes], outputs, axis=-1)
        return tuple(outputs)

    def product(self, name: str, x: str, matrix: NDArray[np.float32], bias: NDArray[np.float32] | None) -> str:
        """Multiply by ``matrix`` ``(outputs, inputs)``, and add a bias if there is one."""
        return self.biased(name, self.node("MatMul", x, self.constant(name, matrix.T)), bias)

    def biased(self, name: str, product: str, bias: NDArray[np.float32] | None) -> str:
        """Add the bias of the matrix ``name`` to its product, if there is one."""
        return product if bias is None else self.node("Add", product, self.constant(f"{name}_bias", bias))

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
