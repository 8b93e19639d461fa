"""The decoder of Qwen2-VL and Qwen2.5-VL: Qwen 2, whose heads rotate by three positions of an image's tokens.

A text's tokens have the same position three times, so without images it is Qwen 2.
Source: src/models/qwen2vl.cpp of llama.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.qwen2 import QWEN2

QWEN2VL = replace(
    QWEN2,
    name="qwen2vl",
    hf_class="Qwen2VLForConditionalGeneration",
    axes_in_blocks=True,
    keys={"rope.dimension_sections": 0},
)
