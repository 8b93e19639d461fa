"""The hyperparameters of a decoder, read from GGUF metadata and refused by name where the graph has no answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import HARMLESS_KEYS, NEUTRAL_VALUES, Decoder
from jan_ort.convert.architectures.expert_sizes import ExpertSizes, read_expert_sizes, unstated_width
from jan_ort.convert.architectures.latent import LatentSizes, read_latent
from jan_ort.convert.architectures.layer_heads import LayerHeads, read_layer_heads
from jan_ort.convert.architectures.rotary import Rotary, read_rotaries, read_sections
from jan_ort.convert.architectures.states import State, read_mixers
from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK

if TYPE_CHECKING:
    from jan_ort.convert.inputs.checkpoint import Checkpoint

_MAX_CONTEXT_LENGTH = 2**20  # the rotary tables grow with it; no model is near
_SMALL_TABLES_BYTES = 2**26


@dataclass(frozen=True, slots=True)
class Scales:
    """Numbers that parts of a model are multiplied by; a soft cap bends values towards it, and 0 is none.

    ``temperature`` and ``temperature_length``: queries grow with the logarithm of how many such lengths lie before.
    """

    attention: float
    embedding: float = 1.0
    residual: float = 1.0
    logits: float = 1.0
    attention_cap: float = 0.0
    logits_cap: float = 0.0
    temperature: float = 0.0
    temperature_length: int = 1


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """What the forward pass needs to know; the names are those of config.json in the Hugging Face style.

    ``windows``, ``rotaries`` and ``states`` have an entry for each layer: how many tokens attention sees, 0 for all,
    how queries and keys rotate, and what the layer has instead of attention, if it has. ``experts`` None: no layer has
    any. ``latent`` None: keys and values are projections of their own. ``causal`` False: tokens see those behind, too.
    ``heads`` and ``widths`` are each layer's key-value heads and hidden values of its feed-forward block; the numbers
    of the same meaning above are those of the first that attends, and the largest. ``layer_embedding_size``: of a
    token's vector for each layer, 0 if there is none. ``sections``: see :func:`rotary.read_sections`.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    norm_eps: float
    max_position_embeddings: int
    scales: Scales
    windows: tuple[int, ...]
    rotaries: tuple[Rotary | None, ...]
    states: tuple[State | None, ...]
    heads: tuple[LayerHeads, ...]
    widths: tuple[int, ...]
    experts: ExpertSizes | None = None
    latent: LatentSizes | None = None
    causal: bool = True
    layer_embedding_size: int = 0
    sections: tuple[int, ...] = ()

    def attended_size(self, layer: int) -> int:
        """Return the width of what a layer's attention returns."""
        return self.num_attention_heads * (self.latent.value if self.latent else self.heads[layer].size)

    @property
    def attending(self) -> list[int]:
        """The layers that attend to keys and values of their own, which are cached in this order."""
        return [layer for layer, state in enumerate(self.states) if state is None and self.heads[layer].owner == layer]

    def temperatures(self) -> NDArray[np.float64] | None:
        """Return what queries are multiplied by at each position, float64 ``(context_length, 1)``; None: nothing."""
        if not self.scales.temperature:
            return None
        lengths = np.arange(self.max_position_embeddings)[:, np.newaxis] // self.scales.temperature_length
        factors: NDArray[np.float64] = np.log(lengths + 1) * self.scales.temperature + 1
        return factors

    def to_json(self, decoder: Decoder) -> dict[str, Any]:
        """Return config.json, without the token ids."""
        left_out = {
            "norm_eps",
            "scales",
            "windows",
            "rotaries",
            "experts",
            "states",
            "latent",
            "causal",
            "heads",
            "widths",
            "sections",
        }
        left_out |= set() if self.layer_embedding_size else {"layer_embedding_size"}
        config: dict[str, Any] = {
            "architectures": [decoder.hf_class],
            "model_type": decoder.name,
            "hidden_act": decoder.activation,
            "rms_norm_eps" if decoder.norm == "rms" else "layer_norm_eps": self.norm_eps,
            **{name: getattr(self, name) for name in self.__slots__ if name not in left_out},
        }
        if rotary := next((each for each in self.rotaries if each), None):
            config["rope_theta"] = rotary.theta
        if window := max(self.windows):
            config["sliding_window"] = window
        return config


def read_decoder_config(source: Checkpoint, decoder: Decoder) -> DecoderConfig:
    """Return the hyperparameters. Raises: ConversionError if they are missing, inconsistent or not supported.

    Every key of the architecture has been read then, or says nothing that the graph would have to follow.
    """
    key = decoder.key
    hidden_size, num_layers = source.integer(key("embedding_length")), _read_num_layers(source, decoder)
    num_heads = source.integer(key("attention.head_count"))
    head_dim = source.integer(key("attention.key_length"), max(1, hidden_size // num_heads))
    context_length = source.integer(key("context_length"), high=_MAX_CONTEXT_LENGTH)
    _check_layers(source, decoder, num_layers)
    mixers = read_mixers(source, decoder, num_layers, num_heads)
    windows = _read_windows(source, decoder, num_layers)
    heads = read_layer_heads(source, decoder, windows, mixers.num_key_value_heads, head_dim)
    widths = _read_widths(source, decoder, num_layers)
    kind = "rms_epsilon" if decoder.norm == "rms" else "epsilon"
    config = DecoderConfig(
        vocab_size=source.num_rows(f"{decoder.tensors.embedding}.weight"),
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        num_key_value_heads=heads[0].count,
        head_dim=heads[0].size,
        intermediate_size=max(widths),
        norm_eps=source.number(key(f"attention.layer_norm_{kind}")),
        max_position_embeddings=context_length,
        scales=_read_scales(source, decoder, hidden_size, num_layers, num_heads, head_dim),
        windows=windows,
        rotaries=read_rotaries(
            source, decoder, windows, (head_dim, _inner_size(windows, heads, head_dim)), context_length
        ),
        experts=read_expert_sizes(source, decoder),
        states=mixers.states,
        heads=heads,
        widths=widths,
        layer_embedding_size=_read_layer_embedding_size(source, decoder),
        latent=read_latent(source, decoder),
        causal=source.boolean(key("attention.causal"), decoder.causal),
        sections=read_sections(source, decoder, head_dim),
    )
    _check(source, decoder, config)
    source.refuse_unread_keys(decoder.name, HARMLESS_KEYS | decoder.harmless_keys, NEUTRAL_VALUES)
    return config


def _inner_size(windows: tuple[int, ...], heads: tuple[LayerHeads, ...], head_dim: int) -> int:
    """Return the size of a head in layers with a window."""
    return next((each.size for each, window in zip(heads, windows, strict=True) if window), head_dim)


def _read_widths(source: Checkpoint, decoder: Decoder, num_layers: int) -> tuple[int, ...]:
    key = decoder.key("feed_forward_length")
    if not decoder.layers_differ:
        return (source.integer(key, unstated_width(source, decoder)),) * num_layers
    widths = source.integer_per_layer(key, num_layers)
    if not all(widths):
        source.refuse(f"{source.spelled(key)} is 0 in a layer, which is not supported")
    return tuple(widths)


def _read_layer_embedding_size(source: Checkpoint, decoder: Decoder) -> int:
    key = decoder.key("embedding_length_per_layer_input")
    return source.integer(key, 0, low=0) if decoder.layer_embeddings else 0


def _read_num_layers(source: Checkpoint, decoder: Decoder) -> int:
    """Return how many layers there are without those that draft, whose tensors are passed over."""
    count = source.integer(decoder.key("block_count"))
    if not decoder.drafts_behind:
        return count
    num_drafts = source.integer(decoder.key("nextn_predict_layers"), 0, low=0, high=count - 1)
    drafts = tuple(f"blk.{layer}." for layer in range(count - num_drafts, count))
    for name in source.shapes():
        if name.startswith(drafts):
            source.pass_over(name)
    return count - num_drafts


def _read_windows(source: Checkpoint, decoder: Decoder, num_layers: int) -> tuple[int, ...]:
    """Return how many tokens the attention of each layer sees, 0 for all."""
    windows = decoder.windows
    if windows is None or windows.num_layers not in (0, num_layers):
        return (0,) * num_layers
    size = source.integer(decoder.key("attention.sliding_window"), windows.default, low=int(decoder.layers_differ))
    local = source.pattern(decoder.key("attention.sliding_window_pattern"), windows.period, num_layers)
    return tuple(size if is_local else 0 for is_local in local)


def _read_scales(
    source: Checkpoint, decoder: Decoder, hidden_size: int, num_layers: int, num_heads: int, head_dim: int
) -> Scales:
    def followed(key: str, default: float) -> float:
        """Return a number that may be 0 for ``default``, of an architecture that has it."""
        if key not in decoder.keys:
            return default
        return source.number(decoder.key(key), decoder.keys[key], or_zero=True) or default

    share = hidden_size // num_heads if num_layers == decoder.wide_scale_layers else head_dim
    logits = followed("logit_scale", 1.0)
    context_length = source.integer(decoder.key("context_length"))
    return Scales(
        attention=followed("attention.scale", share**-0.5),
        embedding=hidden_size**0.5 if decoder.scales_embedding else followed("embedding_scale", 1.0),
        residual=followed("residual_scale", 1.0),
        logits=1 / logits if decoder.divides_logits else logits,
        attention_cap=followed("attn_logit_softcapping", 0.0),
        logits_cap=followed("final_logit_softcapping", 0.0),
        temperature=followed("attention.temperature_scale", 0.0),
        temperature_length=source.integer(decoder.key("rope.scaling.original_context_length"), context_length),
    )


def _check_layers(source: Checkpoint, decoder: Decoder, num_layers: int) -> None:
    """Refuse a number of layers that the file does not bear out, before anything of that size is made."""
    last = decoder.tensors.of(num_layers - 1)
    names = [name for name in (last.attention_norm, last.mlp_norm, last.attention_output) if name]
    if not any(source.has_tensor(f"{name}.weight") for name in names):
        source.num_rows(f"{names[0]}.weight")


def _check(source: Checkpoint, decoder: Decoder, config: DecoderConfig) -> None:
    """Refuse what no graph could be built for."""
    for heads in set(config.heads):
        if config.num_attention_heads % heads.count:
            source.refuse(
                f"{config.num_attention_heads} attention heads cannot share {heads.count} key-value heads; "
                "the file is damaged"
            )
        if config.hidden_size % GGML_BLOCK or heads.size % 8:
            source.refuse(
                f"embedding length {config.hidden_size} and head size {heads.size} must be multiples of "
                f"{GGML_BLOCK} and 8; such a model is not supported"
            )
    if not config.causal and (config.latent or any(config.states) or config.scales.attention_cap):
        source.refuse(f"{source.spelled(decoder.key('attention.causal'))} is false, which is not supported here")
    own = () if config.latent else ("attention.value_length",)
    inner = () if decoder.layers_differ else ("attention.key_length_swa", "attention.value_length_swa")
    for suffix in (*own, *inner):
        size = source.integer(decoder.key("attention.key_length"), config.head_dim)
        if source.integer(decoder.key(suffix), size) != size:
            source.refuse(f"{decoder.key(suffix)} differs from the head size {size}, which is not supported")
    _check_sizes(source, decoder, config)


def _check_sizes(source: Checkpoint, decoder: Decoder, config: DecoderConfig) -> None:
    """Refuse sizes that the file's tensors do not bear out, before anything of that size is made."""
    tensors = decoder.tensors
    source.tensor(f"{tensors.embedding}.weight", (config.vocab_size, config.hidden_size))
    first = config.attending[0]
    output = f"{tensors.of(first).attention_output}.weight"
    source.tensor(output, (config.hidden_size, config.attended_size(first)))
    rotated = config.latent.rotating if config.latent else max(heads.size for heads in config.heads)
    tables_bytes = config.max_position_embeddings * rotated * 4
    if tables_bytes > max(_SMALL_TABLES_BYTES, source.size_bytes):
        source.refuse(
            f"{config.max_position_embeddings} positions of heads of {config.head_dim} need rotary tables of "
            f"{tables_bytes} bytes, more than the file has; the file is damaged"
        )
