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
    The first ``leading_dense`` layers have no experts. ``sigmoids``: scores are no shares of all. ``scale`` is what
    weights are multiplied by.
    """

    count: int
    used: int
    width: int
    shared_width: int
    normalized: bool
    leading_dense: int
    sigmoids: bool = False
    scale: float = 1.0


def read_expert_sizes(source: Checkpoint, decoder: Decoder) -> ExpertSizes | None:
    """Return the numbers, None if the model has no experts. Raises: ConversionError."""
    key = decoder.key
    if not (count := source.integer(key("expert_count"), 0, low=0, high=_MAX_EXPERTS)):
        return None
    if decoder.experts is None:
        source.refuse(
            f"{source.spelled(key('expert_count'))} is {count}: {decoder.name} is not supported with experts; "
            "use one without, an ONNX repository of the model, or a GGUF file with --backend llama_cpp --weights as-is"
        )
    dense = None
    if not decoder.layers_differ:
        dense = source.integer(key("feed_forward_length"), unstated_width(source, decoder))
    width = source.integer(key("expert_feed_forward_length"), dense)
    return ExpertSizes(
        count=count,
        used=source.integer(key("expert_used_count"), high=count),
        width=width,
        shared_width=_shared_width(source, decoder, width, dense),
        normalized=source.boolean(key("expert_weights_norm"), decoder.experts.normalized),
        leading_dense=source.integer(key("leading_dense_block_count"), 0, low=0),
        sigmoids=_follows(decoder, "expert_gating_func") and _sigmoids(source, decoder),
        scale=source.number(key("expert_weights_scale"), 1.0, or_zero=True) or 1.0
        if _follows(decoder, "expert_weights_scale")
        else 1.0,
    )


def unstated_width(source: Checkpoint, decoder: Decoder) -> int | None:
    """Return what stands for the width of a block where the file says none: where each layer has experts, theirs."""
    key = decoder.key("expert_feed_forward_length")
    return source.integer(key) if decoder.experts is not None and key in source else None


def _follows(decoder: Decoder, key: str) -> bool:
    return key in decoder.keys


def _sigmoids(source: Checkpoint, decoder: Decoder) -> bool:
    """Say whether scores are sigmoids; all other kinds than shares are refused."""
    key = decoder.key("expert_gating_func")
    return source.integer(key, 1, low=0, high=2) == 2


def _shared_width(source: Checkpoint, decoder: Decoder, width: int, dense: int | None) -> int:
    """Return how wide the block for all tokens is: as a number of its own, or of so many experts."""
    if not decoder.tensors.shared_up:
        return 0
    if _follows(decoder, "expert_shared_count"):
        return width * source.integer(decoder.key("expert_shared_count"), 0, low=0, high=_MAX_EXPERTS)
    return source.integer(decoder.key("expert_shared_feed_forward_length"), dense)
