"""A layer's experts: which tensors they and their router are, and what a token takes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jan_ort.convert.architectures.decoder import Activation, DecoderTensors, Experts
from jan_ort.convert.architectures.expert_sizes import ExpertSizes
from jan_ort.convert.weights.matrices import Matrices, Part
from jan_ort.convert.weights.smoothing import Scale


@dataclass(frozen=True, slots=True)
class Mixture:
    """Experts of ``hidden`` inputs and outputs.

    ``names`` are those of the layer's tensors, ``activation`` is that of their gates; ``scale`` is what the input is
    divided by.
    """

    names: DecoderTensors
    kind: Experts
    sizes: ExpertSizes
    hidden: int
    activation: Activation = "silu"
    scale: Scale | None = None

    def router(self, matrices: Matrices) -> Part:
        """Return the matrix with a row for each expert; a scale of its input is in its columns."""
        scale = self.scale
        if self.names.router_scale:
            scale = matrices.vector(self.names.router_scale, self.hidden) * np.float32(self.hidden**-0.5)
        return Part(self.names.router, self.sizes.count, None, scale)

    def correction(self) -> Part:
        """Return what has a bias that is added to scores before experts are chosen."""
        return Part(self.names.router_correction, self.sizes.count)

    def gate(self, expert: int) -> Part:
        """Return one expert's gate, ``(width, hidden)``."""
        return self._part(self.names.expert_gate, self.sizes.width, expert, self.scale)

    def up(self, expert: int) -> Part:
        """Return one expert's way up, ``(width, hidden)``."""
        return self._part(self.names.expert_up, self.sizes.width, expert, self.scale)

    def down(self, expert: int) -> Part:
        """Return one expert's way down, ``(hidden, width)``."""
        return self._part(self.names.expert_down, self.hidden, expert, None)

    def all(self, part: Callable[[int], Part]) -> list[Part]:
        """Return :meth:`gate`, :meth:`up` or :meth:`down` of every expert."""
        return [part(expert) for expert in range(self.sizes.count)]

    def columns(self, part: Part) -> int:
        """Return how wide a matrix of an expert is."""
        return self.sizes.width if part.name == self.names.expert_down else self.hidden

    def _part(self, name: str, rows: int, expert: int, scale: Scale | None) -> Part:
        return Part(name, rows, None, scale, expert=expert, experts=self.sizes.count)
