"""gpt-oss: attention sinks, a window in every second layer, and experts whose gate is cut off.

Source: src/models/openai-moe.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors, Experts, Windows
from jan_ort.convert.architectures.hf_layout import EXPERT_TENSORS, EXPERTS, HfLayout

GPT_OSS = Decoder(
    name="gpt-oss",
    hf_class="GptOssForCausalLM",
    rotary_pairs=False,
    windows=Windows(period=2),
    experts=Experts(alpha=1.702, beta=1.0, limit=7.0),
    tensors=DecoderTensors(mlp_norm="blk.{layer}.post_attention_norm", attention_sinks="blk.{layer}.attn_sinks"),
)

GPT_OSS_HF = HfLayout(
    "gpt_oss",
    GPT_OSS,
    tensors={
        **EXPERT_TENSORS,
        "model.layers.{layer}.mlp.router": "router",
        "model.layers.{layer}.self_attn.sinks": "attention_sinks",
    },
    keys=EXPERTS,
    defaults={
        "head_dim": 64,
        "num_key_value_heads": 8,
        "sliding_window": 128,
        "rms_norm_eps": 1e-5,
        "rope_theta": 150_000.0,
        "num_local_experts": 128,
        "num_experts_per_tok": 4,
    },
    neutral={"swiglu_alpha": (1.702,), "swiglu_limit": (7.0,)},
    harmless=frozenset({"experts_per_token", "initial_context_length", "quantization_config"}),
    standing_experts=True,
    quantization="mxfp4",
)
