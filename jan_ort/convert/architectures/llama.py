"""Llama, and whoever took its architecture: SmolLM2, TinyLlama, Mistral Nemo, DeepSeek Coder 1, Yi, …

Source: src/models/llama.cpp of llama.cpp; LlamaModel in its convert_hf_to_gguf.py permutes the rows.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder

LLAMA = Decoder(name="llama", hf_class="LlamaForCausalLM", rotary_pairs=True)
