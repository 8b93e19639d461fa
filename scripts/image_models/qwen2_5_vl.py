"""Qwen2.5-VL: as Qwen2-VL, with a tower that looks at windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.image_models import qwen_vl
from scripts.image_models.qwen_vl import AXES, TOWER, UNUSED, processor, words_and_config

__all__ = ["AXES", "UNUSED", "export_tower", "make"]


def make() -> tuple[Any, Any]:
    """Return a model and its processor."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

    sizes = {"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 64}
    windows = {"window_size": 32, "fullatt_block_indexes": [1]}
    words, config = words_and_config(Qwen2_5_VLConfig, TOWER | sizes | windows)
    return Qwen2_5_VLForConditionalGeneration(config), processor(Qwen2_5_VLProcessor, words)


def export_tower(model: Any, path: Path) -> None:
    """Write vision_encoder."""
    qwen_vl.export_tower(model, path, "image_grid_thw")
