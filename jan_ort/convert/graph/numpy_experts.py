"""A layer's experts in numpy, float64: one expert's matrices are in memory at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Experts
from jan_ort.convert.graph.mixture import Mixture
from jan_ort.convert.weights.matrices import Matrices, Part

Floats = NDArray[np.float64]


def mixed(matrices: Matrices, x: Floats, routed: Floats, mixture: Mixture) -> Floats:
    """Return the weighted sum of what the experts of each token say of x; both values are ``(tokens, hidden)``."""
    chosen, weights = _choose(matrices, routed, mixture)
    total = np.zeros_like(x)
    for expert in range(mixture.sizes.count):
        tokens, places = np.nonzero(chosen == expert)
        if len(tokens):
            said = _say(matrices, x[tokens], mixture, expert)
            total[tokens] += said * weights[tokens, places][:, np.newaxis]
    return total


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):  # far below 0 the exponential is infinite and the quotient 0, as it should be
        curve: Floats = 1 / (1 + np.exp(-x))
        return curve


def gelu(x: Floats) -> Floats:
    """Return GELU in the form that takes a hyperbolic tangent."""
    bent = np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x)
    curve: Floats = x / 2 * (1 + np.tanh(bent))
    return curve


def _choose(matrices: Matrices, x: Floats, mixture: Mixture) -> tuple[NDArray[np.intp], Floats]:
    """Return the numbers of each token's experts and their weights, ``(tokens, used)``."""
    logits = _linear(matrices, x, mixture.router(matrices), mixture.hidden)
    if mixture.sizes.sigmoids:
        scores = sigmoid(logits)
    else:
        powers: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))
        scores = powers / powers.sum(axis=-1, keepdims=True)
    ranked = scores if (correction := matrices.bias([mixture.correction()])) is None else scores + correction
    chosen = np.argsort(-ranked, axis=-1, kind="stable")[:, : mixture.sizes.used]
    weights: Floats = np.take_along_axis(scores, chosen, axis=-1)
    if mixture.sizes.normalized:
        weights = weights / weights.sum(axis=-1, keepdims=True)
    return chosen, weights * mixture.sizes.scale


def _say(matrices: Matrices, x: Floats, mixture: Mixture, expert: int) -> Floats:
    gate = _linear(matrices, x, mixture.gate(expert), mixture.hidden)
    up = _linear(matrices, x, mixture.up(expert), mixture.hidden)
    hidden = _gated(gate, up, mixture.kind) if mixture.activation == "silu" else gelu(gate) * up
    return _linear(matrices, hidden, mixture.down(expert), mixture.sizes.width)


def _gated(gate: Floats, up: Floats, kind: Experts) -> Floats:
    if kind.limit:
        gate, up = np.minimum(gate, kind.limit), np.clip(up, -kind.limit, kind.limit)
    return gate * sigmoid(gate * kind.alpha) * (up + kind.beta)


def _linear(matrices: Matrices, x: Floats, part: Part, columns: int) -> Floats:
    product: Floats = np.concatenate([x @ rows.T for rows in matrices.floats([part], columns)], axis=-1)
    bias = matrices.bias([part])
    return product if bias is None else product + bias
