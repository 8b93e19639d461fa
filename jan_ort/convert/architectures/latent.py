"""Latent attention: keys and values of all heads are made of one short vector a token, which is all that is cached.

Source: src/models/deepseek2.cpp of llama.cpp; DeepSeek-V2, arXiv:2405.04434, section 2.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jan_ort.convert.architectures.decoder import Decoder

if TYPE_CHECKING:
    from jan_ort.convert.inputs.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class LatentSizes:
    """``rank`` values of the vector, and ``rotating`` ones of a key that all heads share, are cached of a token.

    A head's query has ``still`` values for the vector, and as many as rotate; its value has ``value``. Queries come
    through ``query_rank`` values, or straight from the hidden ones if that is 0. ``scale`` is that of scores.
    """

    query_rank: int
    rank: int
    rotating: int
    still: int
    value: int
    scale: float


def read_latent(source: Checkpoint, decoder: Decoder) -> LatentSizes | None:
    """Return the sizes, None if the architecture has no latent attention. Raises: ConversionError."""
    if not decoder.latent:
        return None
    key = decoder.key
    rank, rotating = source.integer(key("attention.kv_lora_rank")), source.integer(key("rope.dimension_count"))
    whole = source.integer(key("attention.key_length_mla"), low=rotating + 1)
    for name, size in (("key_length", rank + rotating), ("value_length", rank), ("head_count_kv", 1)):
        if (found := source.integer(key(f"attention.{name}"))) != size:
            source.refuse(f"{key(f'attention.{name}')} is {found}, and {size} by its other sizes; the file is damaged")
    return LatentSizes(
        query_rank=source.integer(key("attention.q_lora_rank"), 0, low=0),
        rank=rank,
        rotating=rotating,
        still=whole - rotating,
        value=source.integer(key("attention.value_length_mla")),
        scale=whole**-0.5 * _growth(source, decoder) ** 2,
    )


def _growth(source: Checkpoint, decoder: Decoder) -> float:
    """Return by how much scaling makes queries and keys larger, as llama.cpp has it of every kind.

    As files say it, the multiplier is a tenth.
    """
    key = decoder.key
    if (kind := source.string(key("rope.scaling.type"), "linear")) == "none":
        return 1.0
    grown = math.log(max(1.0, source.number(key("rope.scaling.factor"), 1.0)))
    is_yarn = kind == "yarn"  # of other kinds the key is refused, for nobody reads it
    multiplier = source.number(key("rope.scaling.yarn_log_multiplier"), 0.1, or_zero=True) if is_yarn else 0.1
    return 1.0 + multiplier * grown
