"""The SigLIP tower that Gemma 3 and LLaVA-OneVision share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.image_models.common import write

TOWER: Mapping[str, Any] = {
    "model_type": "siglip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
    "vision_use_head": False,
}


class Vision(torch.nn.Module):
    """The graph vision_encoder, of square images or tiles alone; ``is_normed``: the last norm is read, too."""

    def __init__(self, model: Any, *, is_normed: bool) -> None:
        super().__init__()
        self.model = model.model
        self.is_normed = is_normed

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Run the graph."""
        tower = getattr(self.model.vision_tower, "vision_model", self.model.vision_tower)
        hidden = tower.embeddings(pixel_values)
        for layer in tower.encoder.layers:
            hidden = layer(hidden, None)
        return self.model.multi_modal_projector(tower.post_layernorm(hidden) if self.is_normed else hidden)


def export(model: Any, path: Path, *, is_normed: bool) -> None:
    """Write vision_encoder."""
    side = model.config.vision_config.image_size
    axes = {"pixel_values": {0: "batch"}, "image_features": {0: "batch"}}
    vision = Vision(model, is_normed=is_normed)
    write(vision, (torch.rand(2, 3, side, side),), path, ["pixel_values"], ["image_features"], axes)
