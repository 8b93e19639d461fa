"""DeepSeek 2 and 3, and whoever took their architecture: latent attention, experts chosen by sigmoids, shared ones.

Source: src/models/deepseek2.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import SHARED_EXPERTS, Decoder, DecoderTensors, Experts

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
