"""The hyperparameters of a llama model, read from GGUF metadata and refused by name where the graph has no answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK
from jan_ort.convert.inputs.gguf_file import GgufFile

ARCHITECTURES = ("llama",)
"""The values of general.architecture that can be converted."""

_MAX_CONTEXT_LENGTH = 2**20  # the rotary tables grow with it; no llama model is near
_UNSUPPORTED_KEYS = (
    "expert_count",
    "attention.scale",
    "attention.sliding_window",
    "attention.clamp_kqv",
    "embedding_scale",
    "residual_scale",
    "logit_scale",
)


@dataclass(frozen=True, slots=True)
class LlamaConfig:
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

    def to_json(self) -> dict[str, Any]:
        """Return config.json, without the token ids."""
        config: dict[str, Any] = {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            **{name: getattr(self, name) for name in self.__slots__ if name != "rope_factor"},
        }
        if self.rope_factor != 1.0:
            config["rope_scaling"] = {"rope_type": "linear", "factor": self.rope_factor}
        return config


def read_llama_config(source: GgufFile) -> LlamaConfig:
    """Return the hyperparameters. Raises: ConversionError if they are missing, inconsistent or not supported."""
    architecture = source.string("general.architecture")
    if architecture not in ARCHITECTURES:
        source.refuse(f"architecture {architecture!r} is not supported; supported: {', '.join(ARCHITECTURES)}")
    _refuse_unsupported_keys(source)
    hidden_size = source.integer("llama.embedding_length")
    num_heads = source.integer("llama.attention.head_count")
    head_dim = source.integer("llama.attention.key_length", hidden_size // num_heads)
    config = LlamaConfig(
        vocab_size=source.num_rows("token_embd.weight"),
        hidden_size=hidden_size,
        num_hidden_layers=source.integer("llama.block_count"),
        num_attention_heads=num_heads,
        num_key_value_heads=source.integer("llama.attention.head_count_kv", num_heads),
        head_dim=head_dim,
        intermediate_size=source.integer("llama.feed_forward_length"),
        rms_norm_eps=source.number("llama.attention.layer_norm_rms_epsilon"),
        rope_theta=source.number("llama.rope.freq_base", 10_000.0),
        rope_factor=_rope_factor(source),
        max_position_embeddings=source.integer("llama.context_length", high=_MAX_CONTEXT_LENGTH),
    )
    _check(source, config)
    return config


def rotary_frequencies(source: GgufFile, config: LlamaConfig) -> NDArray[np.float64]:
    """Return the rotary angle per position, float64 ``(head_dim / 2,)``, with every scaling applied."""
    exponents = np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim
    frequencies: NDArray[np.float64] = config.rope_theta**-exponents / config.rope_factor
    if source.has_tensor("rope_freqs.weight"):  # llama 3.1's scaling, already computed for each frequency
        frequencies = frequencies / source.vector("rope_freqs.weight", config.head_dim // 2)
    return frequencies


def _refuse_unsupported_keys(source: GgufFile) -> None:
    for suffix in _UNSUPPORTED_KEYS:
        key = f"llama.{suffix}"
        if source.present_and_not_zero(key):
            source.refuse(f"metadata key {key!r} changes the model in a way that is not supported; use another model")


def _rope_factor(source: GgufFile) -> float:
    """Return the linear position scale; every other scaling but that of the rope_freqs tensor is refused."""
    kind = source.string("llama.rope.scaling.type", "linear" if "llama.rope.scale_linear" in source else "none")
    if kind == "none":
        return 1.0
    if kind != "linear":
        source.refuse(f"rope scaling {kind!r} is not supported; supported: none, linear and llama 3's rope_freqs")
    return source.number("llama.rope.scaling.factor", source.number("llama.rope.scale_linear", 1.0))


def _check(source: GgufFile, config: LlamaConfig) -> None:
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
    for key in ("llama.attention.value_length", "llama.rope.dimension_count"):
        if source.integer(key, config.head_dim) != config.head_dim:
            source.refuse(f"{key} differs from the head size {config.head_dim}, which is not supported")
