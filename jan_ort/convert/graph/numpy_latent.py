"""Latent attention in numpy, float64, for one sequence from its beginning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.graph.operations import LatentAttention

Floats = NDArray[np.float64]


def attended(
    projections: tuple[Floats, Floats, Floats],
    attention: LatentAttention,
    weights: tuple[NDArray[np.float32], NDArray[np.float32]],
    tables: tuple[Floats, Floats],
) -> Floats:
    """Return what the heads see, ``(tokens, heads · value)``; ``weights`` make keys and values of the vectors."""
    query, key, vector = projections
    sizes, tokens = attention.sizes, len(query)
    heads = query.reshape(tokens, attention.num_heads, -1).swapaxes(0, 1)  # (heads, tokens, still + rotating)
    absorbed = heads[..., : sizes.still] @ weights[0].swapaxes(1, 2)
    scores = (
        absorbed @ vector.T
        + _rotated(heads[..., sizes.still :], attention, tables) @ _rotated(key, attention, tables).T
    )
    scores = np.where(np.tri(tokens, dtype=bool), scores * sizes.scale, -np.inf)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    values: Floats = (shares @ vector) @ weights[1].swapaxes(1, 2)
    return values.swapaxes(0, 1).reshape(tokens, -1)


def _rotated(x: Floats, attention: LatentAttention, tables: tuple[Floats, Floats]) -> Floats:
    cosines, sines = tables
    if not attention.pairs:
        first, second = np.split(x, 2, axis=-1)
        return np.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)
    first, second = x[..., 0::2], x[..., 1::2]
    turned = np.stack([first * cosines - second * sines, second * cosines + first * sines], axis=-1)
    return turned.reshape(x.shape)
