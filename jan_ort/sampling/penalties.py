"""Penalties for tokens that the text already holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def count_in_window(token_ids: NDArray[np.int64], windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count how often each candidate stands in its row's window.

    Args: token_ids: ``(rows, k)``. windows: ``(rows, window)``. Returns: ``(rows, k)``.
    """
    matches: NDArray[np.int64] = (token_ids[:, :, None] == windows[:, None, :]).sum(axis=-1)
    return matches


def penalise(
    logits: NDArray[np.float64],
    counts: NDArray[np.int64],
    repeat: NDArray[np.float64],
    presence: NDArray[np.float64],
    frequency: NDArray[np.float64],
) -> None:
    """Apply the three penalties to the tokens that occur, in place.

    A positive logit is divided by ``repeat`` and another one multiplied by it (Keskar et al. 2019, arXiv:1909.05858,
    section 4.1, with the sign handled as Hugging Face and llama.cpp do); then ``counts * frequency + presence`` is
    subtracted (OpenAI's API reference).

    Args: logits: ``(rows, k)``. counts: ``(rows, k)``. repeat, presence, frequency: ``(rows, 1)``.
    """
    occurs = counts > 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        repeated = np.where(logits > 0, logits / repeat, logits * repeat)
    repeated -= counts * frequency + presence
    # A repeat penalty of 0 is allowed by the document: 0 / 0 says "as likely as can be", and the division says inf.
    np.copyto(logits, np.nan_to_num(repeated, nan=0.0), where=occurs)
