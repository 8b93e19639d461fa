"""Gemma 3: a window and a rotary base of its own in five of six layers, norms of queries and keys.

Source: src/models/gemma3.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import POST_NORMS, QUERY_KEY_NORMS, Decoder, DecoderTensors, Windows

GEMMA3 = Decoder(
    name="gemma3",
    hf_class="Gemma3ForCausalLM",
    rotary_pairs=False,
    activation="gelu_pytorch_tanh",
    windows=Windows(period=6, rotary_theta=10_000.0, scaled=False),
    scales_embedding=True,
    half_residual=1 / 32,
    wide_scale_layers=62,
    tensors=DecoderTensors(**QUERY_KEY_NORMS, **POST_NORMS),
    keys={"final_logit_softcapping": 0},
)
