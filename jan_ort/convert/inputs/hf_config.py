"""config.json of a Hugging Face checkpoint, translated into the keys of GGUF files that the recipes read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Activation, Decoder
from jan_ort.convert.architectures.hf_layout import HARMLESS, KEYS, NEUTRAL, HfLayout
from jan_ort.convert.inputs.hf_keys import HfKeys
from jan_ort.convert.inputs.hf_rotary import HfRotary

_ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "silu": "silu",
        "swish": "silu",
        "gelu": "gelu",
        "gelu_new": "gelu_pytorch_tanh",
        "gelu_fast": "gelu_pytorch_tanh",
        "gelu_pytorch_tanh": "gelu_pytorch_tanh",
    }
)
_ACTIVATION_KEYS = ("hidden_activation", "hidden_act", "activation_function", "activation")
_WINDOWED = {"full_attention": False, "sliding_attention": True}
_FOLLOWED = ("rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow", "attention.scale")
"""Keys that llama.cpp follows in few architectures, and transformers in all that have them."""
_INVERSE_ROOTS = ("query_pre_attn_scalar",)


@dataclass(frozen=True, slots=True)
class HfConfig:
    """``fields`` by the full names of GGUF keys, ``spellings`` of them in config.json; ``decoder`` as it is there.

    ``factors`` are tensors that config.json has, by the fields of DecoderTensors. ``tied`` None: not said.
    """

    fields: dict[str, Any]
    spellings: dict[str, str]
    factors: dict[str, NDArray[np.float64]]
    decoder: Decoder
    tied: bool | None


def read_hf_config(path: Path, config: dict[str, Any], layout: HfLayout) -> HfConfig:
    """Translate the content of ``path``. Raises: ConversionError naming a key that is missing or cannot be followed."""
    keys = HfKeys(path, layout.prepare(config))
    spellings = {**KEYS, **layout.keys}
    fields: dict[str, Any] = {}
    for key, suffix in spellings.items():
        default = None if keys.names(key) else layout.defaults.get(key)
        if (value := keys.take(key, default)) is not None:
            fields[suffix] = keys.number(key, default) ** -0.5 if key in _INVERSE_ROOTS else value
    for key, accepted in {**NEUTRAL, **layout.neutral}.items():
        if key == "use_sliding_window" and layout.last_windows:
            continue
        if key in keys and (value := keys.take(key)) not in accepted:
            keys.refuse(key, value, f"supported: {' or '.join(map(str, accepted))}")
    fields |= _windows(keys, layout, fields)
    decoder = _decoder(keys, layout)
    tied = keys.boolean("tie_word_embeddings", True) if "tie_word_embeddings" in keys else None
    factors: dict[str, NDArray[np.float64]] = {}
    if decoder.rotates:
        rotary = HfRotary(keys, layout, _head_dim(keys, fields), _size(keys, fields, "context_length"))
        fields |= rotary.fields
        factors = rotary.factors
    keys.refuse_untaken(HARMLESS | layout.harmless)
    named = {decoder.key(suffix): key for key, suffix in spellings.items() if suffix in fields}
    return HfConfig({decoder.key(suffix): value for suffix, value in fields.items()}, named, factors, decoder, tied)


def _size(keys: HfKeys, fields: Mapping[str, Any], suffix: str) -> int:
    value = fields.get(suffix)
    if type(value) is not int or not 0 < value < 2**31:
        keys.refuse(suffix, value, "expected a size")
    return value


def _head_dim(keys: HfKeys, fields: Mapping[str, Any]) -> int:
    if "rope.dimension_count" in fields:
        return _size(keys, fields, "rope.dimension_count")
    if "attention.key_length" in fields:
        return _size(keys, fields, "attention.key_length")
    return _size(keys, fields, "embedding_length") // _size(keys, fields, "attention.head_count")


def _decoder(keys: HfKeys, layout: HfLayout) -> Decoder:
    """Return the recipe with the activation of config.json, and the keys that transformers follows everywhere."""
    decoder, activation = layout.decoder, layout.decoder.activation
    for key in reversed(_ACTIVATION_KEYS):
        if key in keys:
            named = keys.string(key, "")
            if named not in _ACTIVATIONS:
                keys.refuse(key, named, f"supported: {', '.join(_ACTIVATIONS)}")
            activation = _ACTIVATIONS[named]
    if decoder.experts is not None and decoder.activation == "silu" != activation:
        keys.refuse("hidden_act", activation, "only silu is supported with experts")
    if activation == "gelu" and layout.old_gelu:
        activation = "gelu_pytorch_tanh"
    return replace(decoder, activation=activation, keys={**dict.fromkeys(_FOLLOWED, 0.0), **decoder.keys})


def _windows(keys: HfKeys, layout: HfLayout, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return which layers have a window, and its size; one that no text can outgrow is none."""
    types = keys.take("layer_types")
    if types is not None and not (isinstance(types, list) and all(each in _WINDOWED for each in map(str, types))):
        keys.refuse("layer_types", types, f"supported: {', '.join(_WINDOWED)}")
    if types is not None and len(types) != fields.get("block_count"):
        keys.refuse("layer_types", types, f"expected one for each of {fields.get('block_count')} layers")
    if layout.decoder.windows is None:
        if "sliding_attention" in (types or ()):
            keys.refuse("layer_types", types, "this architecture has no windows that are supported")
        return {}
    default = 0 if keys.names("sliding_window") else layout.defaults.get("sliding_window", 0)
    size = keys.integer("sliding_window", default)
    if layout.last_windows:
        first = keys.integer("max_window_layers", 28)
        size = size if keys.boolean("use_sliding_window", False) else 0
        count = _size(keys, fields, "block_count") if size else 0
        types = types or ["sliding_attention" if layer >= first else "full_attention" for layer in range(count)]
    reach = size if fields.get("attention.causal", True) else size // 2
    if reach >= _size(keys, fields, "context_length") and not layout.decoder.layers_differ:
        size = 0
    windows: dict[str, Any] = {"attention.sliding_window": size}
    pattern = keys.take("sliding_window_pattern", keys.take("_sliding_window_pattern"))
    if types:
        windows["attention.sliding_window_pattern"] = np.array([_WINDOWED[each] for each in types])
    elif pattern is not None:
        windows["attention.sliding_window_pattern"] = pattern
    return windows
