"""GLM 4: norms before and behind the blocks, partial rotary embedding, gate and up as one tensor.

Source: src/models/glm4.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import POST_NORMS, Decoder, DecoderTensors
from jan_ort.convert.architectures.hf_layout import TENSORS, HfLayout

GLM4 = Decoder(
    name="glm4",
    hf_class="Glm4ForCausalLM",
    rotary_pairs=True,
    partial_rotary=True,
    mlp="fused",
    tensors=DecoderTensors(**POST_NORMS),
)

GLM4_HF = HfLayout(
    "glm4",
    GLM4,
    tensors={
        **TENSORS,
        "model.layers.{layer}.mlp.gate_up_proj": "up",
        "model.layers.{layer}.post_self_attn_layernorm": "attention_post_norm",
        "model.layers.{layer}.post_mlp_layernorm": "mlp_post_norm",
    },
    defaults={"partial_rotary_factor": 0.5, "num_key_value_heads": 2, "head_dim": 128, "rms_norm_eps": 1.5625e-07},
)
