"""gpt-oss: attention sinks, a window in every second layer, and experts whose gate is cut off.

Source: src/models/openai-moe.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors, Experts, Windows

GPT_OSS = Decoder(
    name="gpt-oss",
    hf_class="GptOssForCausalLM",
    rotary_pairs=False,
    windows=Windows(period=2),
    experts=Experts(alpha=1.702, beta=1.0, limit=7.0),
    tensors=DecoderTensors(mlp_norm="blk.{layer}.post_attention_norm", attention_sinks="blk.{layer}.attn_sinks"),
)
