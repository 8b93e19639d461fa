"""The inputs of one run of a decoder graph on one sequence, the cache aside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph


def input_arrays(
    graph: DecoderGraph, token_ids: NDArray[np.int64], past: int, num_logits: int
) -> dict[str, NDArray[np.generic]]:
    """Return the graph's inputs by its own names, for ``token_ids`` ``(n,)`` after ``past`` tokens.

    A sequence that runs alone needs no padding: the mask is all ones, and positions count on from ``past``.
    """
    total = past + len(token_ids)
    positions = np.arange(past, total)
    values: dict[str, NDArray[np.generic]] = {
        "input_ids": token_ids[np.newaxis],
        "attention_mask": np.ones((1, total), np.int64),
        "position_ids": positions[np.newaxis],
        "cache_position": positions,
        "use_cache_branch": np.array([past > 0]),
        "num_logits_to_keep": np.array([max(num_logits, 1)]),  # 0 would mean all
        "seqlens_k": np.array([total - 1]),
        "total_sequence_length": np.array([total]),
    }
    return {
        value.name: values[role].reshape(values[role].shape if value.shape else ()).astype(value.dtype)
        for role, value in graph.inputs.items()
    }
