"""Log-probabilities of tokens, from the raw logits: no penalty, temperature or filter has touched them (hop 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.events import TokenLogprobs
from jan_ort.sampling.candidates import largest
from jan_ort_backends import BackendError


def log_sum_exp(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logarithm of each row's sum of exponentials: float64 ``(rows,)`` from float32 ``(rows, vocab)``."""
    largest = logits.max(axis=-1, keepdims=True)
    total: NDArray[np.float64] = np.log(np.exp(logits - largest).sum(axis=-1, dtype=np.float64)) + largest[:, 0]
    return total


def token_logprobs(
    logits: NDArray[np.float32],
    token_ids: Sequence[int],
    num_top: Sequence[int],
    top_logits: NDArray[np.float32] | None = None,
    top_token_ids: NDArray[np.int64] | None = None,
) -> list[TokenLogprobs | BackendError]:
    """Return one chosen token's log-probability a row, with the ``num_top`` likeliest ones of that row.

    A row with a NaN in it has an error instead.

    Args: logits: float32 ``(rows, vocab_size)``. top_logits, top_token_ids: ``(rows, k)``, the largest, or None.
    """
    normaliser = log_sum_exp(logits)
    results: list[TokenLogprobs | BackendError] = []
    for row, (token_id, num) in enumerate(zip(token_ids, num_top, strict=True)):
        if math.isnan(normaliser[row]):
            results.append(BackendError("logits are not finite: a row has a NaN; the model's run failed"))
            continue
        if top_logits is not None and top_token_ids is not None and num <= top_logits.shape[1]:
            values, ids = top_logits[row, :num], top_token_ids[row, :num]
        else:
            values, ids = largest(logits[row], num)
        top = zip(ids.tolist(), (values - normaliser[row]).tolist(), strict=True)
        results.append(TokenLogprobs(token_id, float(logits[row, token_id] - normaliser[row]), tuple(top)))
    return results
