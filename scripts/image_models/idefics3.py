"""Idefics3 and SmolVLM."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.image_models.common import TEMPLATE, text_sizes, tokenizer, write

TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}


def make(tower: Mapping[str, int] = TOWER, text: Mapping[str, Any] = {}, scale: int = 2) -> tuple[Any, Any]:
    """Return a model of the Idefics3 and SmolVLM kind, and its processor; ``text`` are sizes of its decoder."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    words = tokenizer(TEMPLATE)
    config = Idefics3Config(
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=scale,
        text_config={"model_type": "llama", **text_sizes(), **text},
        vision_config=dict(tower),
    )
    side = tower["image_size"]
    images = Idefics3ImageProcessorPil(size={"longest_edge": 3 * side}, max_image_size={"longest_edge": side})
    processor = Idefics3Processor(
        images, words, image_seq_len=(side // tower["patch_size"] // scale) ** 2, chat_template=TEMPLATE
    )
    return Idefics3ForConditionalGeneration(config), processor


class Idefics3Vision(torch.nn.Module):
    """The graph vision_encoder of Idefics3."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model.model

    def forward(self, pixel_values: torch.Tensor, pixel_attention_mask: torch.Tensor) -> torch.Tensor:
        """Run the graph."""
        size = self.model.config.vision_config.patch_size
        pixels = pixel_values.flatten(0, 1)
        mask = pixel_attention_mask.flatten(0, 1)[:, ::size, ::size].contiguous()
        vision = self.model.vision_model
        # Every tile is full, so each patch has the place that it is in; their own code is not traced well.
        patches = vision.embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        hidden = (patches + vision.embeddings.position_embedding.weight) * mask.flatten(1)[..., None]
        for layer in vision.encoder.layers:
            hidden = layer(hidden, None)
        return self.model.connector(vision.post_layernorm(hidden))


def export_tower(model: Any, path: Path) -> None:
    """Write vision_encoder."""
    side = model.config.vision_config.image_size
    write(
        Idefics3Vision(model),
        (torch.rand(1, 3, 3, side, side), torch.ones(1, 3, side, side, dtype=torch.bool)),
        path,
        ["pixel_values", "pixel_attention_mask"],
        ["image_features"],
        {
            "pixel_values": {0: "batch", 1: "images"},
            "pixel_attention_mask": {0: "batch", 1: "images"},
            "image_features": {0: "all"},
        },
    )
