"""Gemma 2: soft caps of scores and logits, a window in every second layer, norms before and behind the blocks.

Source: src/models/gemma2.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import POST_NORMS, Decoder, DecoderTensors, Windows

GEMMA2 = Decoder(
    name="gemma2",
    hf_class="Gemma2ForCausalLM",
    rotary_pairs=False,
    activation="gelu_pytorch_tanh",
    windows=Windows(period=2, default=4096),
    scales_embedding=True,
    half_residual=1 / 32,
    wide_scale_layers=46,
    tensors=DecoderTensors(**POST_NORMS),
    keys={"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
)
