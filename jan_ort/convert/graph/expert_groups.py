"""Experts as products of their own, for gates that no operator of experts on a CPU has: those with GELU.

Each token's rows are brought into the order of their experts, so that those of one stand together; of an expert that
nobody chose there are none. It takes two products for each expert, and no more memory than the experts have.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jan_ort.convert.architectures.decoder import Activation
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.graph.products import Products


class ExpertGroups:
    """Adds experts as ``products``. ``twice``: each row comes twice, as only then it has the same bits in company."""

    def __init__(
        self,
        writer: OnnxWriter,
        products: Products,
        activate: Callable[[str, str, Activation], str],
        *,
        twice: bool,
    ) -> None:
        self._writer, self._products, self._activate, self._twice = writer, products, activate, twice

    def said(self, name: str, rows: str, chosen: str, mixture: Mixture) -> str:
        """Add what each of the ``rows`` ``(rows, hidden)`` is told by the expert ``chosen`` for it, ``(rows,)``."""
        writer = self._writer
        if not self._twice:
            return self._ordered(name, rows, chosen, mixture)
        rows, chosen = (writer.node("Concat", [each, each], [f"{each}.twice"], axis=0) for each in (rows, chosen))
        said = self._ordered(name, rows, chosen, mixture)
        writer.node("Split", [said], [f"{name}.once", f"{name}.again"], axis=0, num_outputs=2)
        return f"{name}.once"

    def _ordered(self, name: str, rows: str, chosen: str, mixture: Mixture) -> str:
        order = self._order(f"{name}.order", chosen)
        grouped = self._writer.node("Gather", [rows, order], [f"{name}.grouped"], axis=0)
        said = self._gated(name, grouped, self._counts(name, chosen, mixture.sizes.count), mixture)
        return self._writer.node("Gather", [said, self._order(f"{name}.places", order)], [f"{name}.experts"], axis=0)

    def _gated(self, name: str, rows: str, counts: str, mixture: Mixture) -> str:
        writer, sizes = self._writer, mixture.sizes
        first = [[mixture.gate(expert), mixture.up(expert)] for expert in range(sizes.count)]
        both = self._products.grouped(f"{name}.gate_up", rows, counts, first, mixture.hidden)
        halves = writer.initializer(f"{name}.halves", np.array([sizes.width] * 2, np.int64))
        writer.node("Split", [both, halves], [f"{name}.gate", f"{name}.up"], axis=-1)
        bent = self._activate(f"{name}.gate", f"{name}.gate", mixture.activation)
        hidden = writer.node("Mul", [bent, f"{name}.up"], [f"{name}.gated"])
        second = [[mixture.down(expert)] for expert in range(sizes.count)]
        return self._products.grouped(f"{name}.down", hidden, counts, second, sizes.width)

    def _order(self, name: str, numbers: str) -> str:
        """Add where the numbers come from in ascending order: of a permutation, its inverse."""
        count = self._writer.node("Shape", [numbers], [f"{name}.count"])
        self._writer.node("TopK", [numbers, count], [f"{name}.sorted", name], axis=0, largest=0)
        return name

    def _counts(self, name: str, chosen: str, num_experts: int) -> str:
        """Add how many rows each expert has, int64 ``(experts,)``."""
        writer = self._writer
        depth = writer.initializer(f"{name}.depth", np.array(num_experts, np.int64))
        off_on = writer.initializer(f"{name}.zero_one", np.array([0, 1], np.int64))
        hits = writer.node("OneHot", [chosen, depth, off_on], [f"{name}.hits"], axis=-1)
        axis = writer.initializer(f"{name}.first_axis", np.array([0], np.int64))
        return writer.node("ReduceSum", [hits, axis], [f"{name}.counts"], keepdims=0)
