"""What scores get by the distance between tokens: nothing far from a window, or a bias of T5's buckets.

Of those, near distances have each their own, far ones share one by their logarithm.

Source: Raffel et al. 2019, arXiv:1910.10683; MPNetEncoder of transformers, with 32 buckets up to a distance of 128.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.graph.graph_nodes import GraphNodes

_EACH_WAY, _EXACT, _FARTHEST = 16, 8, 128
_FAR = np.float32(-1e9)
"""What is added to the score of a token outside a window; finite, so that a row of padding stays a number."""


def distances(num_positions: int) -> NDArray[np.int64]:
    """Return all distances between tokens, how many places a key stands behind its query, in ascending order."""
    return np.arange(1 - num_positions, num_positions)


def window_bias(num_positions: int, reach: int) -> NDArray[np.float32]:
    """Return what the score of each distance gets where a token sees ``reach`` others on either side."""
    return np.where(np.abs(distances(num_positions)) <= reach, np.float32(0), _FAR)[np.newaxis]


def score_bias(nodes: GraphNodes, name: str, table: NDArray[np.float32]) -> str:
    """Add float32 ``(1, heads, sequence, sequence)``, of ``table`` by distance ``(heads or 1, distances)``."""
    place = nodes.constant("reach", np.array(table.shape[1] // 2, np.int64))
    columns = nodes.positions()
    rows = nodes.node("Unsqueeze", columns, nodes.constant("as_rows", np.array([1], np.int64)))
    places = nodes.node("Add", nodes.node("Sub", columns, rows), place)  # (sequence, sequence)
    taken = nodes.node("Gather", nodes.constant(name, table), places, axis=1)
    return nodes.node("Unsqueeze", taken, nodes.constant("outermost", np.array([0], np.int64)))


def bucket_of_distance(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bucket of each distance."""
    far = np.abs(places)
    # In float32, as whoever trained such a model computed it: a boundary may lie between two roundings.
    share = np.log(np.maximum(far, 1).astype(np.float32) / np.float32(_EXACT)) / np.float32(
        math.log(_FARTHEST / _EXACT)
    )
    by_logarithm = np.minimum(_EXACT + (share * np.float32(_EACH_WAY - _EXACT)).astype(np.int64), _EACH_WAY - 1)
    return np.where(places > 0, _EACH_WAY, 0) + np.where(far < _EXACT, far, by_logarithm)
