"""Gemma 4: larger heads outside the windows, caches that layers share, a vector for each layer.

The 26B model has experts beside the dense block of each layer.

Heads outside the windows rotate by the frequencies of the whole head, of which the tensor of factors stops most.
Sources: src/models/gemma4.cpp of llama.cpp; configuration_gemma4.py of transformers.
"""

from __future__ import annotations

from typing import Any

from jan_ort.convert.architectures.decoder import (
    POST_NORMS,
    QUERY_KEY_NORMS,
    Decoder,
    DecoderTensors,
    Experts,
    Windows,
)
from jan_ort.convert.architectures.hf_layout import FOUR_NORMS, HfLayout

GEMMA4 = Decoder(
    name="gemma4",
    hf_class="Gemma4ForCausalLM",
    rotary_pairs=False,
    activation="gelu_pytorch_tanh",
    windows=Windows(period=6, rotary_theta=10_000.0, scaled=False),
    scales_embedding=True,
    half_residual=1 / 32,
    layers_differ=True,
    norms_values=True,
    layer_embeddings=True,
    experts=Experts(),
    tensors=DecoderTensors(
        **QUERY_KEY_NORMS,
        **POST_NORMS,
        router_scale="blk.{layer}.ffn_gate_inp.scale",
        expert_scale="blk.{layer}.ffn_down_exps.scale",
        experts_norm="blk.{layer}.pre_ffw_norm_2",
        experts_post_norm="blk.{layer}.post_ffw_norm_2",
        dense_post_norm="blk.{layer}.post_ffw_norm_1",
        layer_embedding="per_layer_token_embd",
        layer_context="per_layer_model_proj",
        layer_context_norm="per_layer_proj_norm",
        layer_gate="blk.{layer}.inp_gate",
        layer_output="blk.{layer}.proj",
        layer_output_norm="blk.{layer}.post_norm",
        layer_scale="blk.{layer}.layer_output_scale.weight",
    ),
    keys={"attention.scale": 1.0, "final_logit_softcapping": 0},
)

_MAX_LAYERS = 4096
_TAKEN = (
    *("global_head_dim", "num_global_key_value_heads", "per_layer_config", "use_double_wide_mlp", "attention_k_eq_v"),
    *("enable_moe_block", "moe_intermediate_size", "top_k_experts", "num_experts"),
)
_ROTARY = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
    "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1_000_000.0},
}
_LAYERS_BETWEEN = 6
"""Where no list says which layers have a window: all but the last of each so many."""


def _as_files(config: dict[str, Any]) -> dict[str, Any]:
    """Return the keys with a value for each layer, where config.json says what is different in some of them."""
    layers = config.get("num_hidden_layers", 30)
    if type(layers) is not int or not 0 < layers < _MAX_LAYERS:
        return config
    types = list(config.get("layer_types") or _usual_types(layers))
    types[-1] = "full_attention"
    own = config.get("per_layer_config")
    own = own.get(str(types.index("full_attention"))) if isinstance(own, dict) else None
    outside = {**config, **(own or {})}
    head_dim = outside["head_dim"] if "head_dim" in (own or {}) else config.get("global_head_dim", 512)
    counts = config.get("num_key_value_heads", 4), outside.get("num_key_value_heads", 4)
    if own is None and config.get("attention_k_eq_v"):
        counts = counts[0], config.get("num_global_key_value_heads") or counts[0]
    width, shared = config.get("intermediate_size", 9216), config.get("num_kv_shared_layers", 0)
    experts = ("num_experts", "top_k_experts", "moe_intermediate_size") if config.get("enable_moe_block") else ()
    doubled = bool(config.get("use_double_wide_mlp")) and type(width) is int and type(shared) is int
    return {
        **{key: value for key, value in config.items() if key not in _TAKEN},
        "layer_types": types,
        **{key: config[key] for key in experts if key in config},
        "head_dim": head_dim,
        "window_head_dim": config.get("head_dim", 256),
        "num_key_value_heads": [counts[each == "full_attention"] for each in types],
        "intermediate_size": [width * (1 + (doubled and layer >= layers - shared)) for layer in range(layers)],
        "rope_parameters": config.get("rope_parameters") or _ROTARY,
    }


def _usual_types(layers: int) -> list[str]:
    return ["sliding_attention" if (layer + 1) % _LAYERS_BETWEEN else "full_attention" for layer in range(layers)]


GEMMA4_HF = HfLayout(
    "gemma4_text",
    GEMMA4,
    tensors={
        **FOUR_NORMS,
        "model.layers.{layer}.router.proj": "router",
        "model.layers.{layer}.router.scale": "router_scale",
        "model.layers.{layer}.router.per_expert_scale": "expert_scale",
        "model.layers.{layer}.experts.gate_proj": "expert_gate",
        "model.layers.{layer}.experts.up_proj": "expert_up",
        "model.layers.{layer}.experts.down_proj": "expert_down",
        "model.layers.{layer}.pre_feedforward_layernorm_2": "experts_norm",
        "model.layers.{layer}.post_feedforward_layernorm_2": "experts_post_norm",
        "model.layers.{layer}.post_feedforward_layernorm_1": "dense_post_norm",
        "model.embed_tokens_per_layer": "layer_embedding",
        "model.per_layer_model_projection": "layer_context",
        "model.per_layer_projection_norm": "layer_context_norm",
        "model.layers.{layer}.per_layer_input_gate": "layer_gate",
        "model.layers.{layer}.per_layer_projection": "layer_output",
        "model.layers.{layer}.post_per_layer_input_norm": "layer_output_norm",
        "model.layers.{layer}.layer_scalar": "layer_scale",
    },
    keys={
        "num_experts": "expert_count",
        "top_k_experts": "expert_used_count",
        "moe_intermediate_size": "expert_feed_forward_length",
        "final_logit_softcapping": "final_logit_softcapping",
        "window_head_dim": "attention.key_length_swa",
        "num_kv_shared_layers": "attention.shared_kv_layers",
        "hidden_size_per_layer_input": "embedding_length_per_layer_input",
    },
    defaults={
        "hidden_size": 2304,
        "num_hidden_layers": 30,
        "num_attention_heads": 8,
        "sliding_window": 512,
        "hidden_size_per_layer_input": 256,
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-6,
    },
    neutral={"use_bidirectional_attention": (None, "vision")},
    harmless=frozenset({"vocab_size_per_layer_input"}),  # the embedding for layers has as many rows
    prepare=_as_files,
)
