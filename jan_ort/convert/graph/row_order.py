"""Where the rows of queries and keys come from in a checkpoint."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig


def rows_in_pairs(decoder: Decoder, config: DecoderConfig, layer: int) -> NDArray[np.intp] | None:
    """Return the order of a head's rows that the rotation expects, ``(head_dim,)``; None if they have it."""
    rotary = config.rotaries[layer]
    return None if rotary is None else rotary.order(config.heads[layer].size, pairs=decoder.rotary_pairs)


def queries_before_gates(config: DecoderConfig, layer: int, order: NDArray[np.intp] | None) -> NDArray[np.intp]:
    """Return where rows come from so that all queries come before all their gates, which stand behind each head."""
    size = config.heads[layer].size
    heads = np.arange(config.num_attention_heads)[:, np.newaxis] * 2 * size
    queries = heads + (np.arange(size) if order is None else order)
    return np.concatenate([queries.reshape(-1), (heads + size + np.arange(size)).reshape(-1)])
