"""Filters over candidates that are sorted by logit, largest first: what each keeps is the head of its row.

Every function works on ``(rows, k)`` arrays of float64 and costs the same for one row and for many. Sums run along a
row from its largest candidate on, so that they round alike in any company.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.params import SamplingParams

MAX_INVERSE_TEMPERATURE = 1e270
"""Any two logits of float32 are as far apart as can be at it, and their difference times it is still finite."""


@dataclass(frozen=True, slots=True)
class FilterColumns:
    """The filters' fields of several rows: float64 ``(rows, 1)``, top_k int64 ``(rows,)``."""

    inverse_temperature: NDArray[np.float64]
    top_k: NDArray[np.int64]
    top_p: NDArray[np.float64]
    min_p: NDArray[np.float64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, params: Sequence[SamplingParams], *, most: int = sys.maxsize) -> FilterColumns:
        """Gather the fields for rows of ``most`` candidates at most.

        A top_p of 1, which keeps all whatever rounding says, becomes infinity.
        """
        coldest = 1.0 / MAX_INVERSE_TEMPERATURE
        return cls(
            np.array([[1.0 / max(p.temperature, coldest)] for p in params]),
            np.array([min(p.num_candidates, most) for p in params], dtype=np.int64),
            np.array([[p.top_p if p.top_p < 1.0 else np.inf] for p in params]),
            np.array([[p.min_p] for p in params]),
            np.arange(len(params)),
        )


def to_weights(logits: NDArray[np.float64], inverse_temperature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each candidate's likelihood as a multiple of the likeliest one's, which is 1: sorted ``(rows, k)``."""
    weights: NDArray[np.float64] = np.exp((logits - logits[:, :1]) * inverse_temperature)
    return weights


def count_kept(
    weights: NDArray[np.float64],
    cumulative: NDArray[np.float64],
    totals: NDArray[np.float64],
    columns: FilterColumns,
) -> NDArray[np.int64]:
    """Return how many candidates of each row top_p and min_p both keep, at least one: ``(rows,)``.

    top_p keeps the smallest set whose probability reaches it (Holtzman et al. 2019, arXiv:1904.09751, section 3.1);
    min_p keeps what is at least so many times as likely as the likeliest (Nguyen et al. 2024, arXiv:2407.01082).

    Args: weights, cumulative: sorted ``(rows, k)``, and their running sums. totals: the weight of all that top_k
    keeps, ``(rows, 1)``.
    """
    keeps = (cumulative - weights < columns.top_p * totals) & (weights >= columns.min_p)
    num_kept: NDArray[np.int64] = np.maximum(keeps.sum(axis=1), 1)
    return num_kept


def draw(
    cumulative: NDArray[np.float64], num_kept: NDArray[np.int64], uniform: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the place of one candidate a row, by inverting the cumulative distribution of the first ``num_kept``.

    Args: cumulative: ``(rows, k)``. num_kept: ``(rows,)``. uniform: in [0, 1), ``(rows,)``. Returns: ``(rows,)``.
    """
    last = num_kept - 1
    targets = uniform * cumulative[np.arange(len(last)), last]
    # Rounding never leads past the last one that is kept.
    chosen: NDArray[np.int64] = np.minimum((cumulative <= targets[:, None]).sum(axis=1), last)
    return chosen


def choose(values: NDArray[np.float64], columns: FilterColumns, uniform: Sequence[float]) -> list[int]:
    """Filter sorted candidates ``(rows, k)``, k >= top_k >= 1, and draw one a row: its place in the row."""
    if not len(values):
        return []
    weights = to_weights(values, columns.inverse_temperature)
    cumulative = weights.cumsum(axis=1)
    totals = cumulative[columns.rows, columns.top_k - 1][:, None]
    kept = np.minimum(count_kept(weights, cumulative, totals, columns), columns.top_k)
    places: list[int] = draw(cumulative, kept, np.array(uniform)).tolist()
    return places
