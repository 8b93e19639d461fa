"""What an input channel of a product is divided by, so that int8 products lose less.

Int8 matrix products quantise their input per block of channels, and a decoder has a few channels that are a hundred
times larger than their neighbours. Knowing them (:mod:`graph.calibration`), the graph moves the difference into the
weights, exactly in real numbers and at no cost at run time. Source: SmoothQuant, Xiao et al. 2022, arXiv:2211.10438,
section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scale = NDArray[np.float32]

_FLOOR = 1e-2  # of the median: a channel that this text never used must not get an enormous weight
_STEP_BITS = 20
_STEPS = 1 << _STEP_BITS


@dataclass(frozen=True, slots=True)
class LayerActivations:
    """Root mean squares over the tokens of the inputs of qkv, float64, of gate and up ``(hidden_size,)``, and of down.

    None: that input cannot be scaled, for no norm or linear way up stands before it.
    """

    attention: NDArray[np.float64] | None
    mlp: NDArray[np.float64] | None
    down: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class LayerSmoothing:
    """What each input channel of a product is divided by, and the matching column of the weights multiplied by."""

    attention: Scale | None = None
    mlp: Scale | None = None
    down: Scale | None = None


def smoothing(activations: LayerActivations) -> LayerSmoothing:
    """Return the square roots of the sizes: half of the difference goes into the weights, half stays."""
    return LayerSmoothing(_balance(activations.attention), _balance(activations.mlp), _balance(activations.down))


def _balance(size: NDArray[np.float64] | None) -> Scale | None:
    if size is None:
        return None
    median = float(np.median(size))
    if median <= 0:
        return np.ones(size.shape, np.float32)
    root = np.sqrt(np.maximum(size, _FLOOR * median))
    return _coarse(root / np.exp(np.log(root).mean()))


def _coarse(scale: NDArray[np.float64]) -> Scale:
    """Keep 20 bits, so that the last bits of sums, which each CPU adds in another order, make no other weights."""
    mantissa, exponent = np.frexp(scale)
    kept: Scale = np.ldexp(np.rint(mantissa * _STEPS), exponent - _STEP_BITS).astype(np.float32)
    return kept
