"""What a decoder's forward pass is made of: operations that the graph writes down and the calibration computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Activation
from jan_ort.convert.architectures.latent import LatentSizes
from jan_ort.convert.architectures.rotary import Rotary
from jan_ort.convert.architectures.states import DeltaNet
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.weights.matrices import Part
from jan_ort.convert.weights.smoothing import Scale

Value = TypeVar("Value")
"""A tensor ``(batch, sequence, width)`` of the pass: its name in the graph, or its numbers."""


@dataclass(frozen=True, slots=True)
class Norm:
    """A norm: the ``name`` of its nodes and the ``tensor`` of its weight, "" for none, ``size`` wide.

    What it returns is divided by ``scale`` and multiplied by ``factor``. It reads values that are ``read_factor`` times
    what they were, which its epsilon has to follow.
    """

    name: str
    tensor: str
    size: int
    scale: Scale | None = None
    factor: float = 1.0
    read_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class HeadNorm:
    """A norm of queries or keys, each head by itself, or of all ``heads`` at once where the weight is as wide.

    ``tensor`` names the weight, "" for none.
    ``order`` is that of the values of a head (see :class:`Part`).
    """

    name: str
    tensor: str
    heads: int
    head_dim: int
    order: NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class Attention:
    """How a layer attends: ``window`` 0 sees all tokens before, ``cap`` 0 bends no score.

    ``cache`` is the number of its keys and values among those of the layers that attend. ``sinks`` names the tensor of
    what each head attends to beside tokens, "" for nothing. ``causal`` False: half a window lies on either side.
    ``only_reads``: an earlier layer has written this one's keys and values, too.
    """

    cache: int
    num_heads: int
    num_key_value_heads: int
    head_dim: int
    scale: float
    rotary: Rotary | None
    window: int
    cap: float
    sinks: str = ""
    causal: bool = True
    only_reads: bool = False


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution of each of ``channels`` over this token and the ``kernel`` - 1 before; ``tensor`` names weights.

    ``activated``: SiLU follows.
    """

    tensor: str
    channels: int
    kernel: int
    activated: bool = False


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """How a layer attends to latent vectors; ``keys`` and ``values`` name the tensors that make those of them.

    ``pairs``: values that rotate together are neighbours.
    """

    layer: int
    num_heads: int
    sizes: LatentSizes
    rotary: Rotary
    keys: str
    values: str
    pairs: bool


class Operations(Protocol[Value]):
    """Adds one operation; ``name`` begins the names of what it needs."""

    def embed(self, tensor: str, name: str = "embed", columns: int = 0) -> Value:
        """Return the embeddings of the tokens, of so many columns, 0 for the hidden size."""
        ...

    def position_embeddings(self, tensor: str) -> Value:
        """Return the embeddings of the tokens' positions."""
        ...

    def linear(self, name: str, x: Value, parts: list[Part], columns: int) -> Value:
        """Multiply x by the stacked parts, and add their biases."""
        ...

    def projections(self, name: str, x: Value, parts: list[Part], columns: int, *, apart: bool) -> tuple[Value, ...]:
        """Return queries, keys and values; or all of them in one, if that is faster and they need not be apart."""
        ...

    def norm(self, x: Value, norm: Norm) -> Value:
        """Normalise x."""
        ...

    def add_and_norm(self, residual: Value, update: Value, norm: Norm) -> tuple[Value, Value]:
        """Return the normalised sum, and the sum."""
        ...

    def head_norm(self, x: Value, norm: HeadNorm) -> Value:
        """Normalise the heads of x."""
        ...

    def temper(self, name: str, x: Value, temperatures: NDArray[np.float64]) -> Value:
        """Multiply x by its position's factor, of float64 ``(context_length, 1)``."""
        ...

    def attend(self, name: str, projections: tuple[Value, ...], attention: Attention) -> Value:
        """Rotate queries and keys, and mix the values of this and earlier tokens."""
        ...

    def convolve(self, name: str, x: Value, convolution: Convolution) -> Value:
        """Convolve each channel with those of the tokens before."""
        ...

    def recur(self, name: str, x: tuple[Value, Value, Value], gates: tuple[Value, Value], net: DeltaNet) -> Value:
        """Return what queries read, each after keys have written values: ``x`` are the three.

        ``gates`` are how much of its difference from what is read each value overwrites, between 0 and 1, and the
        logarithm of how much stays of what there is.
        """
        ...

    def unit(self, name: str, x: Value, heads: int, head_dim: int, eps: float) -> Value:
        """Divide each head by its length, the root of ``eps`` and the sum of squares."""
        ...

    def decay(self, name: str, x: Value, rate: str, bias: str, size: int) -> Value:
        """Return softplus of x and the tensor ``bias``, times the tensor ``rate``, both ``size`` wide."""
        ...

    def sigmoid(self, name: str, x: Value) -> Value:
        """Apply the sigmoid."""
        ...

    def split(self, name: str, x: Value, sizes: list[int]) -> tuple[Value, ...]:
        """Return parts of these widths."""
        ...

    def attend_latent(self, name: str, projections: tuple[Value, Value, Value], attention: LatentAttention) -> Value:
        """Mix what the vectors of this and earlier tokens say; of queries, keys that rotate, and vectors."""
        ...

    def activate(self, name: str, x: Value, activation: Activation) -> Value:
        """Apply the activation."""
        ...

    def experts(self, name: str, x: Value, routed: Value, mixture: Mixture) -> Value:
        """Choose each token's experts by ``routed``, and return the weighted sum of what they say of x."""
        ...

    def open(self, name: str, x: Value, read: Value, gate: Part) -> Value:
        """Multiply x by the sigmoid of one number a token, the product of what was read with the only row of gate."""
        ...

    def add(self, name: str, x: Value, y: Value) -> Value:
        """Add."""
        ...

    def multiply(self, name: str, x: Value, y: Value) -> Value:
        """Multiply element by element."""
        ...

    def scale(self, name: str, x: Value, factor: float) -> Value:
        """Multiply by a number."""
        ...
