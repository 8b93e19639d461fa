"""OLMo 2 and 3: norms behind the blocks, and of all queries and all keys at once; OLMo 3 has windows.

Source: src/models/olmo2.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import POST_NORMS, QUERY_KEY_NORMS, Decoder, DecoderTensors, Windows

OLMO2 = Decoder(
    name="olmo2",
    hf_class="Olmo2ForCausalLM",
    rotary_pairs=False,
    windows=Windows(period=4, scaled=False),
    tensors=DecoderTensors(attention_norm="", mlp_norm="", **QUERY_KEY_NORMS, **POST_NORMS),
)
