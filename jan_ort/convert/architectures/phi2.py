"""Phi 1, 1.5 and 2: both blocks behind one norm, side by side; partial rotary embedding, biases.

Source: src/models/phi2.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors

PHI2 = Decoder(
    name="phi2",
    hf_class="PhiForCausalLM",
    rotary_pairs=False,
    partial_rotary=True,
    norm="layer",
    activation="gelu_pytorch_tanh",
    mlp="plain",
    parallel="always",
    tensors=DecoderTensors(mlp_norm=""),
)
