"""Qwen2-VL, and what Qwen2.5-VL shares with it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from scripts.image_models.common import TEMPLATE, text_sizes, tokenizer, turned, write

TAGS = ["<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>", "<end_of_utterance>"]
PLACED = TEMPLATE.replace("'<image>'", "'<|vision_start|><|image_pad|><|vision_end|>'")
UNUSED: Collection[str] = ()
AXES = 3
GRID = "grid_thw"
TOWER = {"patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2, "depth": 2, "num_heads": 4}


def make() -> tuple[Any, Any]:
    """Return a model and its processor."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor

    words, config = words_and_config(Qwen2VLConfig, TOWER | {"embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2})
    return Qwen2VLForConditionalGeneration(config), processor(Qwen2VLProcessor, words)


def words_and_config(kind: Any, tower: dict[str, Any]) -> tuple[Any, Any]:
    """Return a tokenizer and a configuration of this kind."""
    words = tokenizer(PLACED, TAGS)
    places = {"image": "<|image_pad|>", "video": "<|video_pad|>"} | {
        f"vision_{end}": f"<|vision_{end}|>" for end in ("start", "end")
    }
    turning = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    return words, kind(
        text_config=text_sizes() | {"rope_parameters": turning},
        vision_config=tower,
        **{f"{name}_token_id": words.convert_tokens_to_ids(tag) for name, tag in places.items()},
    )


def processor(kind: Any, words: Any) -> Any:
    """Return a processor of this kind."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    images = Qwen2VLImageProcessorPil(patch_size=8, size={"shortest_edge": 48 * 48, "longest_edge": 64 * 64})
    return kind(images, words, Qwen2VLVideoProcessor(patch_size=8), chat_template=PLACED)


class Vision(torch.nn.Module):
    """The graph vision_encoder of one image, with a mask for windows, written out so that it can be traced."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.vision = model.model.visual

    def forward(self, pixel_values: torch.Tensor, grid_thw: torch.Tensor) -> torch.Tensor:
        """Run the graph."""
        vision, config = self.vision, self.vision.config
        hidden = vision.patch_embed(pixel_values)
        at, merge, columns = torch.arange(hidden.shape[0]), config.spatial_merge_size, grid_thw[0, 2]
        block, inner = at // merge**2, at % merge**2
        row, column = block // (columns // merge), block % (columns // merge)
        places = torch.stack([row * merge + inner // merge, column * merge + inner % merge], dim=-1)
        cos, sin = (each[:, None] for each in vision.rotary_pos_emb(hidden, places))
        for index, each in enumerate(vision.blocks):
            is_full = index in getattr(config, "fullatt_block_indexes", range(config.depth))
            side = None if is_full else config.window_size // merge // config.patch_size
            window = at * 0 if side is None else (row // side) * 4096 + column // side
            visible = window[:, None] == window[None]
            hidden = hidden + _attended(each.attn, each.norm1(hidden), cos, sin, visible)
            hidden = hidden + each.mlp(each.norm2(hidden))
        return vision.merger(hidden)


def _attended(attention: Any, normed: Any, cos: Any, sin: Any, visible: Any) -> Any:
    shape = (normed.shape[0], 3, attention.num_heads, attention.head_dim)
    query, key, value = attention.qkv(normed).reshape(shape).permute(1, 0, 2, 3)
    query, key = (each * cos + turned(each) * sin for each in (query, key))
    query, key, value = (each.transpose(0, 1) for each in (query, key, value))
    scores = query @ key.transpose(1, 2) * attention.head_dim**-0.5
    weights = torch.softmax(scores.masked_fill(~visible, -1e30), dim=-1)
    return attention.proj((weights @ value).transpose(0, 1).flatten(1))


def export_tower(model: Any, path: Path, grid: str = GRID) -> None:
    """Write vision_encoder."""
    write(
        Vision(model),
        (torch.rand(24, 3 * 2 * 8 * 8), torch.tensor([[1, 4, 6]])),
        path,
        ["pixel_values", grid],
        ["image_features"],
        {"pixel_values": {0: "patches"}, "image_features": {0: "vectors"}},
    )
