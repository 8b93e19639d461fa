"""Llama, and whoever took its architecture: SmolLM2, TinyLlama, Mistral 7B and Nemo, Mixtral, DeepSeek Coder 1, Yi, …

Mistral 7B 0.1 has a window of 4,096 tokens, which few files say; llama.cpp reads the key in other architectures only.
Source: src/models/llama.cpp of llama.cpp; LlamaModel in its convert_hf_to_gguf.py permutes the rows.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import Decoder, Experts, Windows
from jan_ort.convert.architectures.hf_layout import EXPERTS, TENSORS, HfLayout

LLAMA = Decoder(
    name="llama",
    hf_class="LlamaForCausalLM",
    rotary_pairs=True,
    experts=Experts(),
    harmless_keys=frozenset({"attention.sliding_window"}),
)

LLAMA_HF = HfLayout("llama", replace(LLAMA, rotary_pairs=False))
MISTRAL_HF = HfLayout(
    "mistral",
    replace(LLAMA, rotary_pairs=False, windows=Windows(period=0), harmless_keys=frozenset()),
    defaults={"sliding_window": 4096, "num_key_value_heads": 8},
)
MIXTRAL_HF = HfLayout(
    "mixtral",
    replace(LLAMA, rotary_pairs=False, windows=Windows(period=0), harmless_keys=frozenset()),
    tensors={
        **TENSORS,
        "model.layers.{layer}.block_sparse_moe.gate": "router",
        "model.layers.{layer}.block_sparse_moe.experts.w1": "expert_gate",
        "model.layers.{layer}.block_sparse_moe.experts.w2": "expert_down",
        "model.layers.{layer}.block_sparse_moe.experts.w3": "expert_up",
    },
    keys=EXPERTS,
    defaults={
        "rope_theta": 1_000_000.0,
        "rms_norm_eps": 1e-5,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
    },
)
