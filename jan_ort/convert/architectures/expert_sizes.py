"""The numbers of a decoder's experts, read from its keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jan_ort.convert.architectures.decoder import Decoder

if TYPE_CHECKING:
    from jan_ort.convert.inputs.checkpoint import Checkpoint

_MAX_EXPERTS = 2**12


@dataclass(frozen=True, slots=True)
class ExpertSizes:
    """``count`` experts of ``width`` hidden values, of which each token goes through ``used``.

    ``shared_width`` is that of the block for all tokens, 0 if there is none. ``normalized`` as in :class:`Experts`.
    The first ``leading_dense`` layers have no experts.
    """

    count: int
    used: int
    width: int
    shared_width: int
    normalized: bool
    leading_dense: int


def read_expert_sizes(source: Checkpoint, decoder: Decoder) -> ExpertSizes | None:
    """Return the numbers, None if the model has no experts. Raises: ConversionError."""
    key = decoder.key
    if decoder.experts is None or not (count := source.integer(key("expert_count"), 0, low=0, high=_MAX_EXPERTS)):
        return None
    dense = source.integer(key("feed_forward_length"))
    shared = source.integer(key("expert_shared_feed_forward_length"), dense) if decoder.tensors.shared_up else 0
    return ExpertSizes(
        count=count,
        used=source.integer(key("expert_used_count"), high=count),
        width=source.integer(key("expert_feed_forward_length"), dense),
        shared_width=shared,
        normalized=source.boolean(key("expert_weights_norm"), decoder.experts.normalized),
        leading_dense=source.integer(key("leading_dense_block_count"), 0, low=0),
    )
