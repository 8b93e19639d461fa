"""Drawing from a whole vocabulary, without sorting more of it than can be kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.candidates import largest
from jan_ort.sampling.filters import FilterColumns, count_kept, draw, to_weights
from jan_ort.sampling.mirostat import NUM_ESTIMATED, next_mu, num_kept_1, num_kept_2
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState

_HEAD = 256
_GROWTH = 8


def choose_without_top_k(logits: NDArray[np.float64], params: SamplingParams, uniform: float) -> int:
    """Return the place of the token drawn from ``logits`` ``(n,)`` for a temperature > 0 and a top_k of 0."""
    columns = FilterColumns.of([params])
    weights = to_weights_of_all(logits, columns)
    if params.top_p >= 1.0 and params.min_p <= 0.0:
        return _draw_unsorted(weights, uniform)
    totals = weights.sum(keepdims=True)[None]
    num = _HEAD
    while True:
        values, places = largest(logits, num)
        head = to_weights(values[None], columns.inverse_temperature)
        cumulative = head.cumsum(axis=1)
        # Beyond these, one of the two filters keeps nothing.
        if num >= len(logits) or cumulative[0, -1] >= columns.top_p[0, 0] * totals[0, 0] or head[0, -1] < params.min_p:
            break
        num *= _GROWTH
    kept = count_kept(head, cumulative, totals, columns)
    return int(places[draw(cumulative, kept, np.array([uniform]))[0]])


def choose_by_mirostat(logits: NDArray[np.float64], state: SamplerState, uniform: float) -> int:
    """Return the place of the token drawn from ``logits`` ``(n,)`` by Mirostat, whose bound moves on."""
    columns = FilterColumns.of([state.params])
    probs = to_weights_of_all(logits, columns)
    probs /= probs.sum()
    num = _num_kept(logits, probs, state)
    places = largest(logits, num)[1]
    kept = probs[places]
    cumulative = kept.cumsum()
    chosen = int(draw(cumulative[None], np.array([np.count_nonzero(kept)]), np.array([uniform]))[0])
    state.mu = next_mu(state.mu, float(kept[chosen] / cumulative[-1]), state.params)
    return int(places[chosen])


def _num_kept(logits: NDArray[np.float64], probs: NDArray[np.float64], state: SamplerState) -> int:
    if state.params.mirostat_mode == 1:
        return num_kept_1(probs[largest(logits, NUM_ESTIMATED)[1]], state.mu, len(probs))
    return num_kept_2(probs, state.mu)


def to_weights_of_all(logits: NDArray[np.float64], columns: FilterColumns) -> NDArray[np.float64]:
    """Return each token's likelihood as a multiple of the likeliest one's: ``(n,)``, in the order of ``logits``."""
    weights: NDArray[np.float64] = np.exp((logits - logits.max()) * columns.inverse_temperature[0])
    return weights


def _draw_unsorted(weights: NDArray[np.float64], uniform: float) -> int:
    """Draw in the order of the token ids: nothing is filtered, so that no order is needed."""
    cumulative = weights.cumsum()
    place = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return min(place, int(np.flatnonzero(weights)[-1]))
