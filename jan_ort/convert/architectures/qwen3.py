"""Qwen 3: norms of queries and keys, and heads of a size of their own.

Source: src/models/qwen3.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import QUERY_KEY_NORMS, Decoder, DecoderTensors

QWEN3 = Decoder(
    name="qwen3",
    hf_class="Qwen3ForCausalLM",
    rotary_pairs=False,
    tensors=DecoderTensors(**QUERY_KEY_NORMS),
)
