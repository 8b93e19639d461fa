"""LFM 2: short convolutions, and attention with norms of queries and keys in some layers.

Source: src/models/lfm2.cpp of llama.cpp; Lfm2MLP of transformers computes the width of the feed-forward block.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jan_ort.convert.architectures.decoder import QUERY_KEY_NORMS, Decoder, DecoderTensors, Windows
from jan_ort.convert.architectures.hf_layout import HfLayout

LFM2 = Decoder(
    name="lfm2",
    hf_class="Lfm2ForCausalLM",
    rotary_pairs=False,
    windows=Windows(period=0),
    state="short convolution",
    tensors=DecoderTensors(
        output_norm="token_embd_norm",
        convolution="blk.{layer}.shortconv.conv",
        state_input="blk.{layer}.shortconv.in_proj",
        state_output="blk.{layer}.shortconv.out_proj",
        **QUERY_KEY_NORMS,
    ),
)


def _as_others(config: dict[str, Any]) -> dict[str, Any]:
    """Say for each layer how many key-value heads it has, and how wide its feed-forward block is."""
    config = dict(config)
    layers, heads = config.get("num_hidden_layers"), config.get("num_key_value_heads", 8)
    attending = config.pop("full_attn_idxs", None)
    if type(layers) is int and config.get("layer_types") is None and isinstance(attending, list):
        config["layer_types"] = ["full_attention" if layer in attending else "conv" for layer in range(layers)]
    types = config.get("layer_types")
    if isinstance(types, list) and all(each in ("conv", "full_attention") for each in map(str, types)):
        config["num_key_value_heads"] = [0 if each == "conv" else heads for each in config.pop("layer_types")]
    if "tie_embedding" in config:
        config["tie_word_embeddings"] = config.pop("tie_embedding")
    return config | _feed_forward(config)


def _feed_forward(config: dict[str, Any]) -> dict[str, Any]:
    size = config.pop("block_ff_dim", config.get("intermediate_size"))
    multiple, share = config.pop("block_multiple_of", 256), config.pop("block_ffn_dim_multiplier", 1.0)
    adjusts = config.pop("block_auto_adjust_ff_dim", True)
    if adjusts and type(size) is type(multiple) is int and multiple and isinstance(share, int | float | None):
        size = int(2 * size / 3)
        size = size if share is None else -(-int(share * size) // multiple) * multiple
    return {"intermediate_size": size}


_LAYER = "model.layers.{layer}."
_HARMLESS = (
    "block_dim block_mlp_init_scale block_norm_eps block_out_init_scale block_use_xavier_init conv_dim conv_dim_out "
    "conv_use_xavier_init num_heads"
)

LFM2_HF = HfLayout(
    "lfm2",
    replace(LFM2, windows=None),
    tensors={
        "model.embed_tokens": "embedding",
        "model.embedding_norm": "output_norm",
        "lm_head": "head",
        f"{_LAYER}operator_norm": "attention_norm",
        f"{_LAYER}self_attn.q_proj": "query",
        f"{_LAYER}self_attn.k_proj": "key",
        f"{_LAYER}self_attn.v_proj": "value",
        f"{_LAYER}self_attn.out_proj": "attention_output",
        f"{_LAYER}self_attn.q_layernorm": "query_norm",
        f"{_LAYER}self_attn.k_layernorm": "key_norm",
        f"{_LAYER}conv.conv": "convolution",
        f"{_LAYER}conv.in_proj": "state_input",
        f"{_LAYER}conv.out_proj": "state_output",
        f"{_LAYER}ffn_norm": "mlp_norm",
        f"{_LAYER}feed_forward.w1": "gate",
        f"{_LAYER}feed_forward.w3": "up",
        f"{_LAYER}feed_forward.w2": "down",
    },
    keys={"norm_eps": "attention.layer_norm_rms_epsilon", "conv_L_cache": "shortconv.l_cache"},
    defaults={
        "conv_L_cache": 3,
        "max_position_embeddings": 128_000,
        "norm_eps": 1e-5,
        "rope_theta": 1_000_000.0,
    },
    neutral={"block_use_swiglu": (True,), "conv_bias": (False,), "use_pos_enc": (True,)},
    harmless=frozenset(_HARMLESS.split()),
    prepare=_as_others,
)
