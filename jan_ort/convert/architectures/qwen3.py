"""Qwen 3: norms of queries and keys, and heads of a size of their own.

Source: src/models/qwen3.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import QUERY_KEY_NORMS, Decoder, DecoderTensors, Windows
from jan_ort.convert.architectures.hf_layout import HfLayout, within_a_chunk

QWEN3 = Decoder(
    name="qwen3",
    hf_class="Qwen3ForCausalLM",
    rotary_pairs=False,
    tensors=DecoderTensors(**QUERY_KEY_NORMS),
)

QWEN3_HF = HfLayout(
    "qwen3",
    replace(QWEN3, windows=Windows(period=0)),
    defaults={"sliding_window": 4096, "head_dim": 128},
    last_windows=True,
    prepare=within_a_chunk,
)
