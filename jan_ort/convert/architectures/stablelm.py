"""StableLM 2: norms that subtract the mean, partial rotary embedding; the 12B model has no norm between its blocks.

Source: src/models/stablelm.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import QUERY_KEY_NORMS, Decoder, DecoderTensors
from jan_ort.convert.architectures.hf_layout import TENSORS, HfLayout

STABLELM = Decoder(
    name="stablelm",
    hf_class="StableLmForCausalLM",
    rotary_pairs=False,
    partial_rotary=True,
    norm="layer",
    parallel="without mlp_norm",
    tensors=DecoderTensors(**QUERY_KEY_NORMS),
)

STABLELM_HF = HfLayout(
    "stablelm",
    STABLELM,
    tensors={
        **TENSORS,
        "model.layers.{layer}.self_attn.q_layernorm.norms": "query_norm",
        "model.layers.{layer}.self_attn.k_layernorm.norms": "key_norm",
    },
    defaults={"partial_rotary_factor": 0.25, "layer_norm_eps": 1e-5},
    harmless=frozenset({"use_parallel_residual", "qk_layernorm"}),  # a norm is missing then, and others are there
)
