"""GPT-2: learned positions.

Source: src/models/gpt2.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors

GPT2 = Decoder(
    name="gpt2",
    hf_class="GPT2LMHeadModel",
    rotary_pairs=False,
    norm="layer",
    activation="gelu_pytorch_tanh",
    mlp="plain",
    rotates=False,
    tensors=DecoderTensors(positions="position_embd"),
)
