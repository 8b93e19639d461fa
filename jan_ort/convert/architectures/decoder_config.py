"""The hyperparameters of a decoder, read from GGUF metadata and refused by name where the graph has no answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import HARMLESS_KEYS, NEUTRAL_VALUES, Decoder
from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK

if TYPE_CHECKING:
    from jan_ort.convert.inputs.gguf_file import GgufFile

_MAX_CONTEXT_LENGTH = 2**20  # the rotary tables grow with it; no model is near
_SMALL_TABLES_BYTES = 2**26


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """What the graph needs to know; the names are those of config.json in the Hugging Face style."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    rms_norm_eps: float
    rope_theta: float
    rope_factor: float
    max_position_embeddings: int

    @property
    def query_size(self) -> int:
        """Width of the query projection."""
        return self.num_attention_heads * self.head_dim

    @property
    def key_value_size(self) -> int:
        """Width of the key projection, and of the value projection."""
        return self.num_key_value_heads * self.head_dim

    def to_json(self, decoder: Decoder) -> dict[str, Any]:
        """Return config.json, without the token ids."""
        config: dict[str, Any] = {
            "architectures": [decoder.hf_class],
            "model_type": decoder.name,
            "hidden_act": decoder.activation,
            **{name: getattr(self, name) for name in self.__slots__ if name != "rope_factor"},
        }
        if self.rope_factor != 1.0:
            config["rope_scaling"] = {"rope_type": "linear", "factor": self.rope_factor}
        return config


def read_decoder_config(source: GgufFile, decoder: Decoder) -> DecoderConfig:
    """Return the hyperparameters. Raises: ConversionError if they are missing, inconsistent or not supported.

    Every key of the architecture has been read then, or says nothing that the graph would have to follow.
    """
    key = decoder.key
    hidden_size = source.integer(key("embedding_length"))
    num_heads = source.integer(key("attention.head_count"))
    config = DecoderConfig(
        vocab_size=source.num_rows(f"{decoder.tensors.embedding}.weight"),
        hidden_size=hidden_size,
        num_hidden_layers=source.integer(key("block_count")),
        num_attention_heads=num_heads,
        num_key_value_heads=source.integer(key("attention.head_count_kv"), num_heads),
        head_dim=source.integer(key("attention.key_length"), hidden_size // num_heads),
        intermediate_size=source.integer(key("feed_forward_length")),
        rms_norm_eps=source.number(key("attention.layer_norm_rms_epsilon")),
        rope_theta=source.number(key("rope.freq_base"), 10_000.0),
        rope_factor=_rope_factor(source, decoder),
        max_position_embeddings=source.integer(key("context_length"), high=_MAX_CONTEXT_LENGTH),
    )
    _check(source, decoder, config)
    source.refuse_unread_keys(decoder.name, HARMLESS_KEYS | decoder.harmless_keys, NEUTRAL_VALUES)
    return config


def rotary_frequencies(source: GgufFile, decoder: Decoder, config: DecoderConfig) -> NDArray[np.float64]:
    """Return the rotary angle per position, float64 ``(head_dim / 2,)``, with every scaling applied."""
    exponents = np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim
    frequencies: NDArray[np.float64] = config.rope_theta**-exponents / config.rope_factor
    name = f"{decoder.tensors.rotary_factors}.weight"
    if source.has_tensor(name):  # llama 3.1's scaling, already computed for each frequency
        frequencies = frequencies / source.vector(name, config.head_dim // 2)
    return frequencies


def _rope_factor(source: GgufFile, decoder: Decoder) -> float:
    """Return the linear position scale; every other scaling but that of the rotary factors' tensor is refused."""
    kind = source.string(decoder.key("rope.scaling.type"), "linear")  # which is llama.cpp's default
    if kind not in ("none", "linear"):
        source.refuse(f"rope scaling {kind!r} is not supported; supported: none, linear and llama 3's rope_freqs")
    older = source.number(decoder.key("rope.scale_linear"), 1.0)
    factor = source.number(decoder.key("rope.scaling.factor"), older)
    return factor if kind == "linear" else 1.0


def _check(source: GgufFile, decoder: Decoder, config: DecoderConfig) -> None:
    """Refuse what no graph could be built for."""
    if config.num_attention_heads % config.num_key_value_heads:
        source.refuse(
            f"{config.num_attention_heads} attention heads cannot share {config.num_key_value_heads} key-value heads; "
            "the file is damaged"
        )
    if config.hidden_size % GGML_BLOCK or config.head_dim % 8:
        source.refuse(
            f"embedding length {config.hidden_size} and head size {config.head_dim} must be multiples of "
            f"{GGML_BLOCK} and 8; such a model is not supported"
        )
    for key in map(decoder.key, ("attention.value_length", "rope.dimension_count")):
        if source.integer(key, config.head_dim) != config.head_dim:
            source.refuse(f"{key} differs from the head size {config.head_dim}, which is not supported")
    _check_sizes(source, decoder, config)


def _check_sizes(source: GgufFile, decoder: Decoder, config: DecoderConfig) -> None:
    """Refuse sizes that the file's tensors do not bear out, before anything of that size is made."""
    tensors, last = decoder.tensors, config.num_hidden_layers - 1
    source.tensor(f"{tensors.embedding}.weight", (config.vocab_size, config.hidden_size))
    source.tensor(f"{tensors.of(0).query}.weight", (config.query_size, config.hidden_size))
    source.num_rows(f"{tensors.of(last).attention_norm}.weight")
    tables_bytes = config.max_position_embeddings * config.head_dim * 4
    if tables_bytes > max(_SMALL_TABLES_BYTES, source.size_bytes):
        source.refuse(
            f"{config.max_position_embeddings} positions of heads of {config.head_dim} need rotary tables of "
            f"{tables_bytes} bytes, more than the file has; the file is damaged"
        )
