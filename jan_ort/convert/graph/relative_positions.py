"""Distances between tokens as numbers of T5's buckets: near ones each their own, far ones by their logarithm.

Source: Raffel et al. 2019, arXiv:1910.10683; MPNetEncoder of transformers, with 32 buckets up to a distance of 128.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_EACH_WAY, _EXACT, _FARTHEST = 16, 8, 128


def bucket_of_distance(distances: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bucket of each distance, how many places a key stands behind its query."""
    far = np.abs(distances)
    # In float32, as whoever trained such a model computed it: a boundary may lie between two roundings.
    share = np.log(np.maximum(far, 1).astype(np.float32) / np.float32(_EXACT)) / np.float32(
        math.log(_FARTHEST / _EXACT)
    )
    by_logarithm = np.minimum(_EXACT + (share * np.float32(_EACH_WAY - _EXACT)).astype(np.int64), _EACH_WAY - 1)
    return np.where(distances > 0, _EACH_WAY, 0) + np.where(far < _EXACT, far, by_logarithm)
