"""DeepSeek 2 and 3, and whoever took their architecture: latent attention, experts chosen by sigmoids, shared ones.

Source: src/models/deepseek2.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jan_ort.convert.architectures.decoder import SHARED_EXPERTS, Decoder, DecoderTensors, Experts
from jan_ort.convert.architectures.hf_layout import EXPERT_TENSORS, HfLayout

DEEPSEEK2 = Decoder(
    name="deepseek2",
    hf_class="DeepseekV3ForCausalLM",
    rotary_pairs=True,
    partial_rotary=True,
    latent=True,
    experts=Experts(normalized=False),
    tensors=DecoderTensors(
        **SHARED_EXPERTS,
        query_down="blk.{layer}.attn_q_a",
        query_down_norm="blk.{layer}.attn_q_a_norm",
        query_up="blk.{layer}.attn_q_b",
        latent="blk.{layer}.attn_kv_a_mqa",
        latent_norm="blk.{layer}.attn_kv_a_norm",
        latent_keys="blk.{layer}.attn_k_b",
        latent_values="blk.{layer}.attn_v_b",
        router_correction="blk.{layer}.exp_probs_b",
    ),
    keys={
        "expert_gating_func": 1,
        "expert_shared_count": 0,
        "expert_weights_scale": 1,
        "rope.scaling.yarn_log_multiplier": 0,
    },
)


def _prepare(config: dict[str, Any]) -> dict[str, Any]:
    """Say the sizes as files of llama.cpp do, in which all heads share what is cached."""

    def added(*names: str) -> int | None:
        sizes = [config.get(name) for name in names]
        return sum(sizes) if all(type(size) is int for size in sizes) else None  # type: ignore[arg-type]

    return {
        **config,
        "num_key_value_heads": 1,
        "head_dim": added("kv_lora_rank", "qk_rope_head_dim"),
        "value_length": config.get("kv_lora_rank"),
        "qk_head_dim": added("qk_nope_head_dim", "qk_rope_head_dim"),
        "gating": 2 if config.get("model_type") == "deepseek_v3" else 1,
    }


DEEPSEEK3_HF = HfLayout(
    "deepseek_v3",
    DEEPSEEK2,
    tensors={
        **EXPERT_TENSORS,
        "model.layers.{layer}.self_attn.q_a_proj": "query_down",
        "model.layers.{layer}.self_attn.q_a_layernorm": "query_down_norm",
        "model.layers.{layer}.self_attn.q_b_proj": "query_up",
        "model.layers.{layer}.self_attn.kv_a_proj_with_mqa": "latent",
        "model.layers.{layer}.self_attn.kv_a_layernorm": "latent_norm",
        "model.layers.{layer}.self_attn.latent_keys": "latent_keys",
        "model.layers.{layer}.self_attn.latent_values": "latent_values",
        "model.layers.{layer}.mlp.gate_correction": "router_correction",
        "model.layers.{layer}.mlp.shared_experts.gate_proj": "shared_gate",
        "model.layers.{layer}.mlp.shared_experts.up_proj": "shared_up",
        "model.layers.{layer}.mlp.shared_experts.down_proj": "shared_down",
    },
    keys={
        "q_lora_rank": "attention.q_lora_rank",
        "kv_lora_rank": "attention.kv_lora_rank",
        "value_length": "attention.value_length",
        "qk_head_dim": "attention.key_length_mla",
        "v_head_dim": "attention.value_length_mla",
        "qk_rope_head_dim": "rope.dimension_count",
        "first_k_dense_replace": "leading_dense_block_count",
        "n_routed_experts": "expert_count",
        "num_experts_per_tok": "expert_used_count",
        "n_shared_experts": "expert_shared_count",
        "moe_intermediate_size": "expert_feed_forward_length",
        "norm_topk_prob": "expert_weights_norm",
        "routed_scaling_factor": "expert_weights_scale",
        "n_group": "expert_group_count",
        "topk_group": "expert_group_used_count",
        "gating": "expert_gating_func",
    },
    defaults={
        "q_lora_rank": 1536,
        "first_k_dense_replace": 3,
        "n_shared_experts": 1,
        "norm_topk_prob": True,
        "routed_scaling_factor": 2.5,
        "n_group": 8,
        "topk_group": 4,
    },
    neutral={
        "scoring_func": ("sigmoid",),
        "topk_method": ("noaux_tc",),
        "moe_layer_freq": (1,),
        "num_nextn_predict_layers": (0,),
        "rope_interleave": (True,),
    },
    harmless=frozenset({"qk_nope_head_dim", "aux_loss_alpha", "seq_aux", "ep_size"}),
    prepare=_prepare,
)

DEEPSEEK2_HF = replace(
    DEEPSEEK3_HF,
    model_type="deepseek_v2",
    defaults={
        "q_lora_rank": 1536,
        "first_k_dense_replace": 0,
        "n_shared_experts": 2,
        "norm_topk_prob": False,
        "routed_scaling_factor": 1.0,
    },
    neutral={
        "scoring_func": ("softmax",),
        "topk_method": ("greedy",),
        "moe_layer_freq": (1,),
        "norm_topk_prob": (False,),
    },
)
