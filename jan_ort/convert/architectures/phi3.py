"""Phi 3 and 4: fused projections, partial rotary embedding (Phi 4 mini) with long and short factors.

Files name a window that llama.cpp does not follow (its pull request 13676): it was the default of old configurations.
Source: src/models/phi3.cpp of llama.cpp.
"""

from __future__ import annotations

from jan_ort.convert.architectures.decoder import Decoder

PHI3 = Decoder(
    name="phi3",
    hf_class="Phi3ForCausalLM",
    rotary_pairs=False,
    partial_rotary=True,
    mlp="fused",
    harmless_keys=frozenset({"attention.sliding_window"}),
)
