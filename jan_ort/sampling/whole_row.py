"""Drawing from a whole vocabulary, without sorting more of it than the filters can keep."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.candidates import largest
from jan_ort.sampling.filters import FilterColumns, count_kept, draw, to_weights
from jan_ort.sampling.params import SamplingParams

_HEAD = 256
_GROWTH = 8


def choose_without_top_k(logits: NDArray[np.float64], params: SamplingParams, uniform: float) -> int:
    """Return the token of a row ``(vocab_size,)`` for a temperature > 0 and a top_k of 0, which keeps all."""
    columns = FilterColumns.of([params])
    weights = np.exp((logits - logits.max()) * columns.inverse_temperature[0])
    if params.top_p >= 1.0 and params.min_p <= 0.0:
        return _draw_unsorted(weights, uniform)
    totals = weights.sum(keepdims=True)[None]
    num = _HEAD
    while True:
        values, token_ids = largest(logits, num)
        head = to_weights(values[None], columns.inverse_temperature)
        cumulative = head.cumsum(axis=1)
        # Beyond these, one of the two filters keeps nothing.
        if num >= len(logits) or cumulative[0, -1] >= columns.top_p[0, 0] * totals[0, 0] or head[0, -1] < params.min_p:
            break
        num *= _GROWTH
    kept = count_kept(head, cumulative, totals, columns)
    return int(token_ids[draw(cumulative, kept, np.array([uniform]))[0]])


def _draw_unsorted(weights: NDArray[np.float64], uniform: float) -> int:
    """Draw in the order of the token ids: nothing is filtered, so that no order is needed."""
    cumulative = weights.cumsum()
    place = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return min(place, int(np.flatnonzero(weights)[-1]))
