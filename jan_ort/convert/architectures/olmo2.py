"""OLMo 2 and 3: norms behind the blocks, and of all queries and all keys at once; OLMo 3 has windows.

Source: src/models/olmo2.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.decoder import POST_NORMS, QUERY_KEY_NORMS, Decoder, DecoderTensors, Windows
from jan_ort.convert.architectures.hf_layout import FOUR_NORMS, HfLayout

OLMO2 = Decoder(
    name="olmo2",
    hf_class="Olmo2ForCausalLM",
    rotary_pairs=False,
    windows=Windows(period=4, scaled=False),
    tensors=DecoderTensors(attention_norm="", mlp_norm="", **QUERY_KEY_NORMS, **POST_NORMS),
)

_DEFAULTS = {"rms_norm_eps": 1e-5}
OLMO2_HF = HfLayout("olmo2", replace(OLMO2, windows=None), tensors=FOUR_NORMS, defaults=_DEFAULTS)
OLMO3_HF = HfLayout(
    "olmo3", OLMO2, tensors=FOUR_NORMS, defaults={**_DEFAULTS, "sliding_window": 4096, "rope_theta": 500_000.0}
)
