"""What a decoder graph of others' making takes beside the cache, and the largest logits, which it does not find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import NUM_TOP_LOGITS
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.sessions.row_tokens import RowTokens
from jan_ort_onnxruntime.sessions.step_plan import Run


def inputs_alone(graph: DecoderGraph, tokens: RowTokens, past: int, num_logits: int) -> dict[str, NDArray[np.generic]]:
    """Return the graph's inputs by its own names, for ``tokens`` after ``past``.

    A sequence that runs alone needs no padding: the mask is all ones.
    """
    total = past + len(tokens.values)
    values: dict[str, NDArray[np.generic]] = {
        "input_ids": tokens.values[np.newaxis],
        "inputs_embeds": tokens.values[np.newaxis],
        "attention_mask": np.ones((1, total), np.int64),
        "position_ids": tokens.positions[..., np.newaxis, :],  # (1, n) or (3, 1, n)
        "token_type_ids": tokens.kinds[np.newaxis],
        "cache_position": np.arange(past, total),
        "use_cache_branch": np.array([past > 0]),
        "num_logits_to_keep": np.array([max(num_logits, 1)]),  # 0 would mean all
        "seqlens_k": np.array([total - 1]),
        "total_sequence_length": np.array([total]),
    }
    return _by_name(graph, values)


def inputs_of_run(graph: DecoderGraph, run: Run, vectors: NDArray[Any] | None = None) -> dict[str, NDArray[Any]]:
    """Return the graph's inputs by its own names, for rows of several lengths that are padded on the right.

    ``vectors`` ``(rows, sequence, size)`` are for a graph that takes them in place of token ids.
    """
    ends = run.seqlens_k.astype(np.int64)[:, np.newaxis]  # (rows, 1)
    total = int(ends.max()) + 1
    values: dict[str, NDArray[np.generic]] = {
        "input_ids": run.token_ids,
        "inputs_embeds": run.token_ids if vectors is None else vectors,
        "attention_mask": (np.arange(total) <= ends).astype(np.int64),
        "position_ids": run.positions(),
        "num_logits_to_keep": np.array([0]),  # all
        "seqlens_k": run.seqlens_k.astype(np.int64),
        "total_sequence_length": np.array([total]),
    }
    return _by_name(graph, values)


def _by_name(graph: DecoderGraph, values: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[Any]]:
    """Return those of ``values`` that the graph takes, in its types and dimensions."""
    return {
        value.name: _shaped(values[role], len(value.shape)).astype(value.dtype) for role, value in graph.inputs.items()
    }


def _shaped(values: NDArray[np.generic], rank: int) -> NDArray[np.generic]:
    """Return a scalar of no dimensions; of three, positions in time, height and width, which in a text are one."""
    return (
        np.repeat(values[np.newaxis], 3, axis=0)
        if rank == 3 and values.ndim == 2
        else values
        if rank
        else values.reshape(())
    )


def find_largest(logits: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the NUM_TOP_LOGITS largest values of each row, descending, and their token ids; ties by ascending id.

    A NaN counts as the largest: whoever looks at these finds it. ``logits``: ``(rows, vocab_size)``. A row of 49,152
    takes about half a millisecond.
    """
    k = min(NUM_TOP_LOGITS, logits.shape[1])
    token_ids = np.empty((len(logits), k), np.int64)
    for index, row in enumerate(logits):
        least = np.partition(row, -k)[-k]  # NaN only if there are k of them or more
        candidates = np.flatnonzero(~(row < least))  # ascending, and more than k if the least is not alone
        order = np.where(np.isnan(row[candidates]), -np.inf, -row[candidates])
        token_ids[index] = candidates[np.argsort(order, kind="stable")][:k]
    return np.take_along_axis(logits, token_ids, axis=1), token_ids
