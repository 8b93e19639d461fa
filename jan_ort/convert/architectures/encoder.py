"""What tells one encoder from another: names in its checkpoint, and settings that its graph takes for granted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from jan_ort.ground.model_errors import ConversionError

_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)


@dataclass(frozen=True, slots=True)
class EncoderTensors:
    """The names of the tensors without ".weight" and ".bias"; ``{layer}`` stands for the layer's number."""

    words: str = "embeddings.word_embeddings"
    positions: str = "embeddings.position_embeddings"
    types: str = "embeddings.token_type_embeddings"
    embedding_norm: str = "embeddings.LayerNorm"
    query: str = "encoder.layer.{layer}.attention.self.query"
    key: str = "encoder.layer.{layer}.attention.self.key"
    value: str = "encoder.layer.{layer}.attention.self.value"
    attention_output: str = "encoder.layer.{layer}.attention.output.dense"
    attention_norm: str = "encoder.layer.{layer}.attention.output.LayerNorm"
    up: str = "encoder.layer.{layer}.intermediate.dense"
    down: str = "encoder.layer.{layer}.output.dense"
    mlp_norm: str = "encoder.layer.{layer}.output.LayerNorm"

    def of(self, layer: int) -> EncoderTensors:
        """Return the names of one layer."""
        return EncoderTensors(**{each.name: getattr(self, each.name).format(layer=layer) for each in fields(self)})


@dataclass(frozen=True, slots=True)
class Encoder:
    """An architecture of sentence-transformers folders: a norm after each block, absolute positions, erf GELU.

    ``name`` is the value of config.json's model_type. A checkpoint that has a head puts ``prefix`` before the names of
    ``tensors``. ``settings`` are the keys of config.json that the graph has one answer to, with that value; a missing
    key means it.
    """

    name: str
    prefix: str
    tensors: EncoderTensors = EncoderTensors()
    settings: tuple[tuple[str, str], ...] = (("hidden_act", "gelu"), ("position_embedding_type", "absolute"))


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The sizes of an encoder, by the names of the Hugging Face config.json."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float


def read_encoder_config(origin: str, config: Mapping[str, Any], encoder: Encoder) -> EncoderConfig:
    """Read the content of config.json; ``origin`` names it in errors.

    Raises: ConversionError naming what is missing, or a setting that would change the vectors and is not supported.
    """
    for key, supported in encoder.settings:
        if (value := config.get(key, supported)) != supported:
            raise ConversionError(f"{origin}: {key} {value!r} is not supported; supported: {supported}")
    return EncoderConfig(
        **_read_sizes(origin, config),
        layer_norm_eps=_read_epsilon(origin, config),
    )


def _read_epsilon(origin: str, config: Mapping[str, Any]) -> float:
    value = config.get("layer_norm_eps", 1e-12)
    if type(value) not in (int, float) or not 0 < value < 1:
        raise ConversionError(f"{origin}: layer_norm_eps is {str(value)[:80]!r}, no number from 0 to 1; fetch it again")
    return float(value)


def _read_sizes(origin: str, config: Mapping[str, Any]) -> dict[str, int]:
    config = {"type_vocab_size": 2, **config}
    missing = [name for name in _SIZES if type(config.get(name)) is not int]
    if missing:
        raise ConversionError(f"{origin} does not say {', '.join(missing)}; fetch it again")
    sizes: dict[str, int] = {name: config[name] for name in _SIZES}
    if min(sizes.values()) < 1 or max(sizes.values()) >= 2**31 or sizes["hidden_size"] % sizes["num_attention_heads"]:
        raise ConversionError(f"{origin} gives impossible sizes: {str(sizes)[:500]}; fetch it again")
    return sizes
