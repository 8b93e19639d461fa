"""GLM 4: norms before and behind the blocks, partial rotary embedding, gate and up as one tensor.

Source: src/models/glm4.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import POST_NORMS, Decoder, DecoderTensors

GLM4 = Decoder(
    name="glm4",
    hf_class="Glm4ForCausalLM",
    rotary_pairs=True,
    partial_rotary=True,
    mlp="fused",
    tensors=DecoderTensors(**POST_NORMS),
)
