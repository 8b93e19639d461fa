"""EXAONE 4: norms behind the blocks, and of queries and keys; the 32B model has windows, and rotates only there.

Source: src/models/exaone4.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import POST_NORMS, QUERY_KEY_NORMS, Decoder, DecoderTensors, Windows

EXAONE4 = Decoder(
    name="exaone4",
    hf_class="Exaone4ForCausalLM",
    rotary_pairs=False,
    windows=Windows(period=4, default=4096, num_layers=64, rotary_outside=False),
    tensors=DecoderTensors(attention_norm="", mlp_norm="", **QUERY_KEY_NORMS, **POST_NORMS),
)
