"""Checkpoints of models that read images or sound, too: the text model inside, and what is left out of it.

Sources: the configuration and modelling files of Gemma 3, Mistral 3, Qwen 2 to 3 VL, LLaVA and SmolVLM in transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

_Tensor = TypeVar("_Tensor")

_TEXT_MODELS: Mapping[str, str] = MappingProxyType(
    {
        "qwen2_vl": "qwen2",
        "qwen2_vl_text": "qwen2",
        "qwen2_5_vl": "qwen2",
        "qwen2_5_vl_text": "qwen2",
        "qwen3_vl": "qwen3",
        "qwen3_vl_text": "qwen3",
    }
)
"""Text models under names of their own: of a text alone they compute what the other does."""

WRAPPERS = frozenset(
    (
        *("gemma3", "gemma4", "idefics3", "llava", "mistral3", "smolvlm"),
        *("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "qwen3_5_moe"),
    )
)
"""The model_type of models whose text model is one that can be converted; of some it may also be another."""

_DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "llama": {
            "hidden_size": 4096,
            "intermediate_size": 11_008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6,
        },
        "mistral": {
            "hidden_size": 4096,
            "intermediate_size": 14_336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 131_072,
            "rms_norm_eps": 1e-6,
        },
        "qwen2": {
            "hidden_size": 4096,
            "intermediate_size": 22_016,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "max_position_embeddings": 32_768,
            "rms_norm_eps": 1e-6,
        },
    }
)
"""What transformers takes for keys that a text model's part lacks: LLaVA's and SmolVLM's state what differs only."""

_PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "language_model.model.": "model.",
        "language_model.lm_head.": "lm_head.",
        "model.language_model.": "model.",
        "model.text_model.": "model.",
    }
)
_LEFT_OUT = (
    *("vision_tower.", "vision_model.", "visual.", "multi_modal_projector.", "connector.", "audio_tower."),
    *("embed_vision.", "embed_audio."),
)
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
_ABOUT_IMAGES = ("image_token_id", "video_token_id", "vision_token_id", "vision_start_token_id", "vision_end_token_id")
_SECTIONS = ("mrope_section", "mrope_interleaved")  # a text's positions are the same in all three dimensions


@dataclass(frozen=True, slots=True)
class TextConfig:
    """The part of a config.json that is about text; ``left_out`` names the others, and is empty in a text model's."""

    values: dict[str, Any]
    left_out: tuple[str, ...] = ()

    @property
    def model_type(self) -> str | None:
        """The text model's."""
        stated = self.values.get("model_type")
        return stated if isinstance(stated, str) else None


def text_config(config: dict[str, Any]) -> TextConfig:
    """Return what a config.json says of its text model."""
    stated = config.get("text_config")
    is_flat = config.get("model_type") in _TEXT_MODELS and not isinstance(stated, dict)
    if not is_flat and not isinstance(stated, dict):
        return TextConfig(config)
    left_out = tuple(key for key in config if key.endswith("_config") and key not in ("text_config", "rope_config"))
    values = dict(config if is_flat or not isinstance(stated, dict) else stated)
    for key in (*left_out, *_ABOUT_IMAGES):
        values.pop(key, None)
    for key in (*_TOKEN_IDS, "tie_word_embeddings"):
        if key in config:
            values.setdefault(key, config[key])
    values["model_type"] = kind = _TEXT_MODELS.get(str(values.get("model_type")), values.get("model_type"))
    values = {**_DEFAULTS.get(str(kind), {}), **values}
    for key in ("rope_scaling", "rope_parameters"):
        if isinstance(values.get(key), dict):
            values[key] = _without_sections(values[key])
    return TextConfig(values, left_out or ("what is not text",))


def _without_sections(rotary: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in rotary.items() if key not in _SECTIONS}
    return {key: "default" if value == "mrope" else value for key, value in kept.items()}


def text_tensors(stored: Mapping[str, _Tensor]) -> dict[str, _Tensor]:
    """Return the tensors of a wrapped text model under the names that they have in one alone."""
    return {
        _renamed(name): tensor
        for name, tensor in stored.items()
        if not name.removeprefix("model.").startswith(_LEFT_OUT)
    }


def _renamed(name: str) -> str:
    prefix = next((each for each in _PREFIXES if name.startswith(each)), "")
    return _PREFIXES.get(prefix, "") + name.removeprefix(prefix)
