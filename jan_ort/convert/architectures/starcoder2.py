"""StarCoder 2: norms that subtract the mean, biases, no gate.

Source: src/models/starcoder2.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder

STARCODER2 = Decoder(
    name="starcoder2",
    hf_class="Starcoder2ForCausalLM",
    rotary_pairs=False,
    norm="layer",
    activation="gelu_pytorch_tanh",
    mlp="plain",
)
