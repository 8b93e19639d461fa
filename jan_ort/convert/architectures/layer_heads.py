"""The key-value heads of each layer: how many, how large, and which layer's keys and values they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jan_ort.convert.architectures.decoder import Decoder

if TYPE_CHECKING:
    from jan_ort.convert.inputs.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class LayerHeads:
    """``count`` key-value heads of ``size`` values; ``owner`` is the layer that makes and caches them."""

    count: int
    size: int
    owner: int

    @property
    def width(self) -> int:
        """Width of a key of all heads, and of a value."""
        return self.count * self.size


def read_layer_heads(
    source: Checkpoint, decoder: Decoder, windows: tuple[int, ...], count: int, size: int
) -> tuple[LayerHeads, ...]:
    """Return the heads of each layer: ``count`` of ``size``, unless layers differ. Raises: ConversionError."""
    if not decoder.layers_differ:
        return tuple(LayerHeads(count, size, layer) for layer in range(len(windows)))
    key = decoder.key
    counts = source.integer_per_layer(key("attention.head_count_kv"), len(windows))
    inside = source.integer(key("attention.key_length_swa"), size)
    if not all(counts) or source.integer(key("attention.value_length_swa"), inside) != inside:
        source.refuse(
            f"{source.spelled(key('attention.value_length_swa'))} is not the keys' {inside}, or a layer has 0"
        )
    first = len(windows) - source.integer(key("attention.shared_kv_layers"), 0, low=0, high=len(windows) - 1)
    _pass_over_unused(source, decoder, first)
    return tuple(
        LayerHeads(counts[owner], inside if window else size, owner)
        for window, owner in zip(windows, _owners(source, windows, first), strict=True)
    )


def _owners(source: Checkpoint, windows: tuple[int, ...], first: int) -> list[int]:
    """Return whose keys and values each layer reads: from ``first`` on those of the last before it of its kind."""
    last = {bool(window): layer for layer, window in enumerate(windows[:first])}
    if not last.keys() >= {bool(window) for window in windows[first:]}:
        source.refuse("layers share keys and values that no layer makes; the file is damaged")
    return [layer if layer < first else last[bool(window)] for layer, window in enumerate(windows)]


def _pass_over_unused(source: Checkpoint, decoder: Decoder, first: int) -> None:
    """Pass over the keys and values of layers that read those of others: files have them all the same."""
    shared = range(first, source.integer(decoder.key("block_count")))
    names = [
        f"{name}.weight"
        for each in map(decoder.tensors.of, shared)
        for name in (each.key, each.value, each.key_norm)
        if source.has_tensor(f"{name}.weight")
    ]
    for name in names:
        source.pass_over(name)
