"""Routers in the graph: which experts a token goes through, and the sum of what they say.

The operators of experts choose by themselves, too, but add up in an order that depends on what else is computed, and
normalise weights always. So they get a row for each token and expert, of weight 1, and all else is written out here, in
float32: a choice that turns on the last bit would be another expert.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from jan_ort.convert.architectures.decoder import Activation
from jan_ort.convert.graph.expert_groups import ExpertGroups
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.graph.products import Products
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.weights.matrices import Matrices, Part


class OnnxExperts:
    """Adds the nodes around ``products``' experts; values are of ``dtype``, and ``activate`` adds an activation."""

    def __init__(
        self,
        source: Checkpoint,
        writer: OnnxWriter,
        products: Products,
        dtype: type[np.generic],
        activate: Callable[[str, str, Activation], str],
    ) -> None:
        self._matrices = Matrices(source, "fp16")
        self._writer = writer
        self._products = products
        self._is_half = dtype == np.float16
        self._groups = ExpertGroups(writer, products, activate, twice=self._is_half)

    def mixed(self, name: str, x: str, routed: str, mixture: Mixture) -> str:
        """Add a layer's experts, which ``routed`` chooses."""
        writer, used, hidden = self._writer, mixture.sizes.used, mixture.hidden
        rows = self._shaped(x, f"{name}.rows", [-1, hidden])
        ranked = rows if routed == x else self._shaped(routed, f"{name}.routed", [-1, hidden])
        weights, chosen = self._choose(name, ranked, mixture)
        times = writer.initializer(f"{name}.times", np.array([1, used], np.int64))
        repeated = self._shaped(writer.node("Tile", [rows, times], [f"{name}.tiled"]), f"{name}.repeated", [-1, hidden])
        chosen = self._shaped(chosen, f"{name}.chosen_rows", [-1])
        if mixture.activation == "silu":
            said = self._products.experts(name, repeated, self._choice(name, chosen, mixture), mixture)
        else:
            said = self._groups.said(name, repeated, chosen, mixture)
        shares = self._shaped(self._of_dtype(weights), f"{name}.shares", [-1, 1, used])
        said = self._shaped(said, f"{name}.said", [-1, used, hidden])
        total = writer.node("MatMul", [shares, said], [f"{name}.total"])
        return writer.node("Reshape", [total, writer.node("Shape", [x], [f"{name}.shape"])], [f"{name}.out"])

    def opened(self, name: str, x: str, read: str, gate: Part, columns: int) -> str:
        """Add a product with the sigmoid of one number a token."""
        number = self._float_product(name, self._as_float(read, name), gate, columns)
        opening = self._of_dtype(self._writer.node("Sigmoid", [number], [f"{name}.sigmoid"]))
        return self._writer.node("Mul", [x, opening], [f"{name}.out"])

    def _choose(self, name: str, rows: str, mixture: Mixture) -> tuple[str, str]:
        """Add the router; return the weights float32 and the numbers of the experts, ``(tokens, used)``."""
        writer, sizes = self._writer, mixture.sizes
        router = mixture.router(self._matrices)
        logits = self._float_product(f"{name}.router", self._as_float(rows, name), router, mixture.hidden)
        correction = self._matrices.bias([mixture.correction()])
        if sizes.sigmoids or correction is not None:
            return self._choose_by_scores(name, logits, mixture, correction)
        used = writer.initializer(f"{name}.used", np.array([sizes.used], np.int64))
        best = [f"{name}.best", f"{name}.chosen"]
        if not sizes.normalized:
            logits = writer.node("Softmax", [logits], [f"{name}.router.shares"], axis=-1)
        writer.node("TopK", [logits, used], best, axis=-1)
        if sizes.normalized:
            best[0] = writer.node("Softmax", [best[0]], [f"{name}.weights"], axis=-1)
        return self._times(name, best[0], sizes.scale), best[1]

    def _choose_by_scores(
        self, name: str, logits: str, mixture: Mixture, correction: NDArray[np.float32] | None
    ) -> tuple[str, str]:
        """Add a choice by other numbers than the weights."""
        writer, sizes = self._writer, mixture.sizes
        at: dict[str, Any] = {} if sizes.sigmoids else {"axis": -1}
        scores = ranked = writer.node("Sigmoid" if sizes.sigmoids else "Softmax", [logits], [f"{name}.scores"], **at)
        if correction is not None:
            added = writer.initializer(f"{name}.correction", correction)
            ranked = writer.node("Add", [scores, added], [f"{name}.ranked"])
        used = writer.initializer(f"{name}.used", np.array([sizes.used], np.int64))
        writer.node("TopK", [ranked, used], [f"{name}.best", f"{name}.chosen"], axis=-1)
        weights = writer.node("GatherElements", [scores, f"{name}.chosen"], [f"{name}.weights"], axis=-1)
        if sizes.normalized:
            last = writer.initializer(f"{name}.last", np.array([-1], np.int64))
            total = writer.node("ReduceSum", [weights, last], [f"{name}.sum"], keepdims=1)
            weights = writer.node("Div", [weights, total], [f"{name}.normalized"])
        return self._times(name, weights, sizes.scale), f"{name}.chosen"

    def _times(self, name: str, weights: str, factor: float) -> str:
        if factor == 1:
            return weights
        by = self._writer.initializer(f"{name}.factor", np.array(factor, np.float32))
        return self._writer.node("Mul", [weights, by], [f"{name}.multiplied"])

    def _choice(self, name: str, chosen: str, mixture: Mixture) -> str:
        """Add 1 at each row's expert and 0 elsewhere, ``(tokens · used, experts)``."""
        writer = self._writer
        inputs = [
            chosen,
            writer.initializer(f"{name}.count", np.array(mixture.sizes.count, np.int64)),
            writer.initializer(f"{name}.off_on", np.array([0, 1], np.float32)),
        ]
        return self._of_dtype(writer.node("OneHot", inputs, [f"{name}.choice"], axis=-1))

    def _float_product(self, name: str, x: str, part: Part, columns: int) -> str:
        rows = np.concatenate(list(self._matrices.floats([part], columns)))
        weight = self._writer.initializer(f"{name}.weight", rows.T)
        product = self._writer.node("MatMul", [x, weight], [f"{name}.product"])
        bias = self._matrices.bias([part])
        if bias is None:
            return product
        return self._writer.node("Add", [product, self._writer.initializer(f"{name}.bias", bias)], [f"{name}.biased"])

    def _as_float(self, x: str, name: str) -> str:
        return self._cast(x, f"{name}.float", TensorProto.FLOAT) if self._is_half else x

    def _of_dtype(self, x: str) -> str:
        return self._cast(x, f"{x}.half", TensorProto.FLOAT16) if self._is_half else x

    def _cast(self, x: str, output: str, to: Any) -> str:
        return self._writer.node("Cast", [x], [output], to=to)

    def _shaped(self, x: str, output: str, shape: list[int]) -> str:
        sizes = self._writer.initializer(f"{output}.shape", np.array(shape, np.int64))
        return self._writer.node("Reshape", [x, sizes], [output])
