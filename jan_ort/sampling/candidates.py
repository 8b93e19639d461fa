"""Which tokens of a row the filters look at: the backend's largest logits where they suffice, else the whole row."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.penalties import penalise
from jan_ort.sampling.state import SamplerState

WIDTH = 64
"""Candidates a row that are looked at before the whole row is."""

_SAMPLE = 1024

Candidates = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Logits and token ids of one row, both ``(k,)``: the largest first, ties by token id."""


def from_largest(
    logits: NDArray[np.float64], token_ids: list[int], state: SamplerState, banned: Collection[int]
) -> list[int] | None:
    """Return the token ids in order after penalties, with ``logits`` in that order too, or None if they may not do.

    Penalties of the usual sign only lower logits, so no token outside the largest raw logits rises above the smallest
    of them. While at least top_k of them are not lowered, or not below that, these are the top_k of the whole row.

    Args: logits, token_ids: the ``(k,)`` largest raw logits of the row, sorted; logits is changed in place.
    banned: tokens that must not come now.
    """
    params = state.params
    if params.num_candidates == 0 or not params.penalties_only_lower:
        return None
    penalised = state.penalised
    lowered = [at for at, token_id in enumerate(token_ids) if token_id in penalised or token_id in banned]
    if not lowered:
        return token_ids if len(token_ids) >= params.num_candidates else None
    values = logits.tolist()
    smallest, num_sure = values[-1], len(values) - len(lowered)
    for at in lowered:
        token_id = token_ids[at]
        values[at] = -math.inf if token_id in banned else penalise(values[at], penalised[token_id], params)
        num_sure += values[at] > smallest
    if num_sure < params.num_candidates:
        return None
    ranked = sorted(zip((-value for value in values), token_ids, strict=True))
    logits[:] = [-value for value, _ in ranked]
    return [token_id for _, token_id in ranked]


def adjust_row(logits: NDArray[np.float32], state: SamplerState, banned: Collection[int]) -> NDArray[np.float64]:
    """Return a copy of one whole row ``(vocab_size,)`` with the penalties applied and banned tokens at -inf."""
    values = logits.astype(np.float64)
    for token_id, count in state.penalised.items():
        if token_id < len(values):
            values[token_id] = penalise(float(values[token_id]), count, state.params)
    values[list(banned)] = -math.inf
    return values


def largest(values: NDArray[np.float64], num: int) -> Candidates:
    """Return the ``num`` largest of a row ``(vocab_size,)``, or all if there are fewer."""
    token_ids = _at_least(values, num)
    order = np.argsort(-values[token_ids], kind="stable")[:num]
    return values[token_ids][order], token_ids[order]


def _at_least(values: NDArray[np.float64], num: int) -> NDArray[np.int64]:
    """Return the ids of at least the ``num`` largest, ascending: of all that reach a value guessed from a sample.

    Comparing a vocabulary with a value takes 12 µs where partitioning it takes 400 µs.
    """
    stride = max(1, len(values) // _SAMPLE)
    sample = np.sort(values[::stride])
    rank = 2 * (num // stride) + 8
    while rank <= len(sample):
        token_ids = np.flatnonzero(values >= sample[-rank])
        if len(token_ids) >= num:
            return token_ids
        rank *= 2
    return np.arange(len(values))
