"""Which tokens of a row the filters look at: the backend's largest logits where they suffice, else the whole row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDTH = 64
"""Candidates a row, unless ``top_k`` asks for more. Constant, so that sums round alike in any company."""


def sort_candidates(
    logits: NDArray[np.float64], token_ids: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sort each row by logit, largest first, ties by token id. Both ``(rows, k)``."""
    order = np.lexsort((token_ids, -logits), axis=-1)
    return np.take_along_axis(logits, order, axis=-1), np.take_along_axis(token_ids, order, axis=-1)


def select_candidates(logits: NDArray[np.float64], top_k: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the candidates of one whole row, sorted: ``(1, max(WIDTH, top_k))`` each, all of them for top_k 0.

    Args: logits: ``(vocab_size,)``, penalties already applied.
    """
    width = len(logits) if top_k == 0 else min(len(logits), max(WIDTH, top_k))
    if width < len(logits):
        threshold = np.partition(logits, len(logits) - width)[len(logits) - width]
        token_ids = np.flatnonzero(logits >= threshold)  # more than width of them where the last ones tie
    else:
        token_ids = np.arange(len(logits))
    values, token_ids = sort_candidates(logits[token_ids][None], token_ids[None])
    return values[:, :width], token_ids[:, :width]
