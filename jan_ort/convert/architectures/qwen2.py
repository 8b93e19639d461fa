"""Qwen 2 and 2.5, and the models distilled into them: queries, keys and values have biases.

Source: src/models/qwen2.cpp of llama.cpp; Qwen2Model in its convert_hf_to_gguf.py leaves the rows in their order.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import Decoder, Windows
from jan_ort.convert.architectures.hf_layout import HfLayout, within_a_chunk

QWEN2 = Decoder(name="qwen2", hf_class="Qwen2ForCausalLM", rotary_pairs=False)

QWEN2_HF = HfLayout(
    "qwen2",
    replace(QWEN2, windows=Windows(period=0)),
    defaults={"sliding_window": 4096},
    last_windows=True,
    prepare=within_a_chunk,
)
