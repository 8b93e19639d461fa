"""Layers that mix tokens by a state of a fixed size, where others attend: which they are, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jan_ort.convert.architectures.decoder import Decoder
    from jan_ort.convert.inputs.checkpoint import Checkpoint

_MAX_KERNEL = 16
_INTERVAL = 4


@dataclass(frozen=True, slots=True)
class ShortConvolution:
    """A gated convolution of ``channels`` over this and the ``kernel`` - 1 tokens before; these are its state."""

    channels: int
    kernel: int


@dataclass(frozen=True, slots=True)
class DeltaNet:
    """A gated delta net: behind a convolution, each value head keeps a matrix ``(key_dim, value_dim)``.

    Queries and keys have ``key_heads`` and the length 1, but for ``eps``; values have ``value_heads``. Adjacent ones
    share a key, or, if ``tiled``, those that lie ``key_heads`` apart.
    Source: Yang et al. 2024, arXiv:2412.06464.
    """

    kernel: int
    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    eps: float
    tiled: bool

    @property
    def keys(self) -> int:
        """Width of all keys, and of all queries."""
        return self.key_heads * self.key_dim

    @property
    def values(self) -> int:
        """Width of all values."""
        return self.value_heads * self.value_dim


State = ShortConvolution | DeltaNet


@dataclass(frozen=True, slots=True)
class Mixers:
    """What each layer mixes tokens with, None for attention, and the key-value heads of those that attend."""

    states: tuple[State | None, ...]
    num_key_value_heads: int


def read_mixers(source: Checkpoint, decoder: Decoder, num_layers: int, num_heads: int) -> Mixers:
    """Return what the layers are. Raises: ConversionError if none attends, or if they attend in different ways."""
    key = decoder.key("attention.head_count_kv")
    if decoder.state == "short convolution":
        return _convolutions(source, decoder, num_layers)
    if decoder.layers_differ:
        return Mixers((None,) * num_layers, max(source.integer_per_layer(key, num_layers)))
    num_key_value_heads = source.integer(key, num_heads)
    if decoder.state is None:
        return Mixers((None,) * num_layers, num_key_value_heads)
    return Mixers(_delta_nets(source, decoder, num_layers), num_key_value_heads)


def _convolutions(source: Checkpoint, decoder: Decoder, num_layers: int) -> Mixers:
    key = decoder.key("attention.head_count_kv")
    counts = source.integer_per_layer(key, num_layers)
    if len(attending := {count for count in counts if count}) != 1:
        source.refuse(f"{source.spelled(key)} is {counts!r:.80}, but one number, and 0, are supported")
    kernel = source.integer(decoder.key("shortconv.l_cache"), low=2, high=_MAX_KERNEL)
    convolution = ShortConvolution(source.integer(decoder.key("embedding_length")), kernel)
    return Mixers(tuple(None if count else convolution for count in counts), attending.pop())


def _delta_nets(source: Checkpoint, decoder: Decoder, num_layers: int) -> tuple[DeltaNet | None, ...]:
    key, heads = decoder.key, source.integer(decoder.key("ssm.time_step_rank"))
    net = DeltaNet(
        kernel=source.integer(key("ssm.conv_kernel"), low=2, high=_MAX_KERNEL),
        key_heads=source.integer(key("ssm.group_count")),
        value_heads=heads,
        key_dim=source.integer(key("ssm.state_size")),
        value_dim=source.integer(key("ssm.inner_size")) // heads,
        eps=decoder.unit_eps or source.number(key("attention.layer_norm_rms_epsilon")),
        tiled=decoder.tiled_values,
    )
    if net.value_heads % net.key_heads or net.values != source.integer(key("ssm.inner_size")) or net.value_dim < 1:
        source.refuse(
            f"{net.value_heads} value heads cannot share {net.key_heads} keys, and a width of "
            f"{source.integer(key('ssm.inner_size'))}; the file is damaged"
        )
    interval = source.integer(key("full_attention_interval"), _INTERVAL)
    recurrent = source.pattern(key("attention.recurrent_layers"), interval, num_layers)
    if all(recurrent):
        source.refuse("no layer attends, which is not supported")
    return tuple(net if is_recurrent else None for is_recurrent in recurrent)
