"""Phi 3 and 4: fused projections, partial rotary embedding (Phi 4 mini) with long and short factors.

Files name a window that llama.cpp does not follow (its pull request 13676): it was the default of old configurations.
Source: src/models/phi3.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import Decoder, Windows
from jan_ort.convert.architectures.hf_layout import TENSORS, HfLayout

PHI3 = Decoder(
    name="phi3",
    hf_class="Phi3ForCausalLM",
    rotary_pairs=False,
    partial_rotary=True,
    mlp="fused",
    harmless_keys=frozenset({"attention.sliding_window"}),
)

PHI3_HF = HfLayout(
    "phi3",
    replace(PHI3, windows=Windows(period=0), harmless_keys=frozenset()),
    tensors={
        **TENSORS,
        "model.layers.{layer}.self_attn.qkv_proj": "qkv",
        "model.layers.{layer}.mlp.gate_up_proj": "up",
    },
    defaults={"rms_norm_eps": 1e-5, "original_max_position_embeddings": 4096},
    neutral={"full_attn_mod": (1,), "interpolate_factor": (1,)},
    harmless=frozenset({"original_max_position_embeddings"}),
)
