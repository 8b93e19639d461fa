"""The norms of a decoder as nodes of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import NormKind
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.graph.operations import HeadNorm, Norm
from jan_ort.convert.inputs.checkpoint import Checkpoint

_NORMS: Mapping[NormKind, tuple[str, str]] = MappingProxyType(
    {
        "rms": ("SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"),
        "layer": ("LayerNormalization", "SkipLayerNormalization"),
    }
)


class OnnxNorms:
    """Adds the nodes; ``dtype`` is the type of the graph's weights, ``eps`` what is added to a mean of squares."""

    def __init__(
        self, source: Checkpoint, writer: OnnxWriter, norm: NormKind, eps: float, dtype: type[np.generic]
    ) -> None:
        self._source = source
        self._writer = writer
        self._operator, self._add_and_norm = _NORMS[norm]
        self._eps = eps
        self._dtype = dtype

    def norm(self, x: str, norm: Norm) -> str:
        """Add a norm."""
        inputs = [x, *self._norm_weights(norm)]
        return self._normalized(inputs, f"{norm.name}.out", norm.read_factor)

    def _normalized(self, inputs: list[str], output: str, read_factor: float = 1.0) -> str:
        at: dict[str, Any] = {"axis": -1, "epsilon": self._eps * read_factor**2, "stash_type": 1}
        return self._writer.node(self._operator, inputs, [output], **at)

    def add_and_norm(self, residual: str, update: str, norm: Norm) -> tuple[str, str]:
        """Add a sum and its norm, in one node where every provider that the graph is for has it."""
        if self._add_and_norm == "SkipLayerNormalization" and self._dtype == np.float16:
            # OpenVINO's has no output for the sum.
            added = self._writer.node("Add", [residual, update], [f"{norm.name}.residual.sum_with.{update}"])
            return self.norm(added, norm), added
        outputs = [f"{norm.name}.out", "", "", f"{norm.name}.residual"]
        inputs = [residual, update, *self._norm_weights(norm)]
        epsilon = self._eps * norm.read_factor**2
        self._writer.node(self._add_and_norm, inputs, outputs, domain=MICROSOFT, epsilon=epsilon)
        return outputs[0], outputs[3]

    def _norm_weights(self, norm: Norm) -> list[str]:
        """Add the weight, and the bias if there is one."""
        if not norm.tensor:
            return [self._constant(f"{norm.name}.weight", np.full(norm.size, norm.factor))]
        names = [
            each for each in ("weight", "bias") if each == "weight" or self._source.has_tensor(f"{norm.tensor}.bias")
        ]
        factor = np.float32(norm.factor) if norm.scale is None else np.float32(norm.factor) / norm.scale
        return [
            self._constant(f"{norm.name}.{each}", self._source.vector(f"{norm.tensor}.{each}", norm.size) * factor)
            for each in names
        ]

    def head_norm(self, x: str, norm: HeadNorm) -> str:
        """Add a norm of all heads at once, or of each head between two changes of shape."""
        width = norm.heads * norm.head_dim
        shape, weight = self._head_weight(norm)
        if shape == (width,) and norm.heads > 1:
            return self._normalized([x, self._constant(f"{norm.name}.weight", weight.reshape(-1))], f"{norm.name}.out")
        heads = self._writer.reshape(x, f"{norm.name}.heads", [0, 0, norm.heads, norm.head_dim])
        ones = np.ones(norm.head_dim, np.float32)
        first = weight[0] if len(weight) == 1 else ones
        normed = self._normalized([heads, self._constant(f"{norm.name}.weight", first)], f"{norm.name}.normed")
        if len(weight) > 1:
            each = self._constant(f"{norm.name}.each_weight", weight)
            normed = self._writer.node("Mul", [normed, each], [f"{norm.name}.each.out"])
        return self._writer.reshape(normed, f"{norm.name}.out", [0, 0, width])

    def _head_weight(self, norm: HeadNorm) -> tuple[tuple[int, ...], NDArray[Any]]:
        """Return the weight's shape in the file, and the weight, a row for each head or one for all."""
        if not norm.tensor:
            return (norm.head_dim,), np.ones((1, norm.head_dim), np.float32)
        shape = self._source.shape(f"{norm.tensor}.weight")
        weight = self._source.tensor(f"{norm.tensor}.weight", shape).dequantize().reshape(-1, norm.head_dim)
        return shape, weight if norm.order is None else weight[:, norm.order]

    def unit(self, name: str, x: str, heads: int, head_dim: int, eps: float) -> str:
        """Add a norm by the root mean square, which is the length but for the size of a head."""
        split = self._writer.reshape(x, f"{name}.heads", [0, 0, heads, head_dim])
        weight = self._constant(f"{name}.weight", np.full(head_dim, head_dim**-0.5))
        at: dict[str, Any] = {"axis": -1, "epsilon": eps / head_dim, "stash_type": 1}
        united = self._writer.node("SimplifiedLayerNormalization", [split, weight], [f"{name}.united"], **at)
        return self._writer.reshape(united, f"{name}.out", [0, 0, heads * head_dim])

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        return self._writer.initializer(name, values.astype(self._dtype))
