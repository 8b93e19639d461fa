"""Falcon: both blocks side by side, behind one norm (7B) or a norm each (40B).

Source: src/models/falcon.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors

FALCON = Decoder(
    name="falcon",
    hf_class="FalconForCausalLM",
    rotary_pairs=False,
    norm="layer",
    activation="gelu_pytorch_tanh",
    mlp="plain",
    parallel="always",
    tensors=DecoderTensors(attention_norm="blk.{layer}.attn_norm_2", mlp_norm="blk.{layer}.attn_norm"),
)
