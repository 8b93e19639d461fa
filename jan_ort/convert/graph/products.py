"""How a decoder's matrices are multiplied: what its graph asks of a type of weights and activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.weights.matrices import Part


class Products(Protocol):
    """Adds the nodes that read matrices; one class a type of activations, and none knows an architecture.

    A method returns the name of its result. ``name`` begins the names of nodes and initialisers; those of tensors in
    the file come as an argument of their own, or in parts.
    """

    def embed(self, tensor: str, name: str = "embed", columns: int = 0) -> str:
        """Add an embedding of ``input_ids``, rows of ``tensor`` with so many columns, 0 for the hidden size.

        The first is the one that a head may share.
        """
        ...

    def linear(self, name: str, x: str, parts: list[Part], columns: int, *, output: str = "") -> str:
        """Multiply x by the stacked parts, ``columns`` wide, and add their biases."""
        ...

    def experts(self, name: str, rows: str, choice: str, mixture: Mixture) -> str:
        """Pass each of the rows ``(rows, hidden)`` through one expert: ``choice`` has a 1 there, and is 0 elsewhere."""
        ...

    def grouped(self, name: str, x: str, counts: str, groups: Sequence[list[Part]], columns: int) -> str:
        """Multiply rows ``(rows, columns)`` by the stacked parts of their group.

        The first rows are of the first group, and so on: ``counts`` says how many are of each, int64 ``(groups,)``.
        All groups have as many rows of parts, of the same tensors.
        """
        ...

    def logits(self, rows: str, head: str, output: str) -> None:
        """Add the logits, float32; a file without the tensor ``head`` has the embedding as its head."""
        ...
