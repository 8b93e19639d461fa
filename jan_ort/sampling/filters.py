"""Filters over candidates that are sorted by logit, largest first.

Every function works on ``(rows, k)`` arrays of float64 and costs the same for one row and for many.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def softmax_top_k(
    logits: NDArray[np.float64], temperature: NDArray[np.float64], top_k: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the probabilities of the ``top_k`` first candidates at ``temperature``; the others get 0.

    Args: logits: sorted ``(rows, k)``. temperature: > 0, ``(rows, 1)``. top_k: >= 1, ``(rows, 1)``.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (logits - logits[:, :1]) / temperature
    probs = np.exp(scaled)
    probs[np.arange(logits.shape[1]) >= top_k] = 0.0
    normalised: NDArray[np.float64] = probs / probs.sum(axis=-1, keepdims=True)
    return normalised


def keep_top_p(probs: NDArray[np.float64], top_p: NDArray[np.float64]) -> None:
    """Keep the smallest set of candidates whose probability reaches ``top_p``, at least one, in place.

    Args: probs: sorted ``(rows, k)``. top_p: in [0, 1], ``(rows, 1)``; 1 keeps all.
    Source: Holtzman et al. 2019, arXiv:1904.09751, section 3.1.
    """
    before = np.cumsum(probs, axis=-1) - probs
    drop = (before >= top_p) & (top_p < 1.0)
    drop[:, 0] = False
    probs[drop] = 0.0


def keep_min_p(probs: NDArray[np.float64], min_p: NDArray[np.float64]) -> None:
    """Keep the candidates that are at least ``min_p`` times as likely as the most likely one, in place.

    Args: probs: sorted ``(rows, k)``. min_p: in [0, 1], ``(rows, 1)``.
    Source: Nguyen et al. 2024, arXiv:2407.01082.
    """
    probs[probs < min_p * probs[:, :1]] = 0.0


def draw(probs: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the index of one candidate a row, by inverting the cumulative distribution at ``uniform`` in [0, 1).

    Args: probs: ``(rows, k)``, not necessarily normalised. uniform: ``(rows, 1)``. Returns: ``(rows,)``.
    """
    cumulative = np.cumsum(probs, axis=-1)
    chosen: NDArray[np.int64] = (cumulative <= uniform * cumulative[:, -1:]).sum(axis=-1)
    last_kept = probs.shape[1] - 1 - (probs[:, ::-1] > 0).argmax(axis=-1)  # rounding never leads past it
    bounded: NDArray[np.int64] = np.minimum(chosen, last_kept)
    return bounded
