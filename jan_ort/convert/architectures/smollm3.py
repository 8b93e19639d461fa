"""SmolLM 3: every fourth layer has no rotary embedding.

Source: src/models/smollm3.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder

SMOLLM3 = Decoder(name="smollm3", hf_class="SmolLM3ForCausalLM", rotary_pairs=True, unrotated_period=4)
