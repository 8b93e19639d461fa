"""LLaVA 1.5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from scripts.image_models.common import TEMPLATE, text_sizes, tokenizer, write


def make() -> tuple[Any, Any]:
    """Return a model of the LLaVA 1.5 kind, and its processor."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    words = tokenizer(TEMPLATE)
    config = LlavaConfig(
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        text_config={"model_type": "llama", **text_sizes()},
        vision_config={
            "model_type": "clip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "image_size": 48,
            "patch_size": 12,
            "projection_dim": 16,
        },
    )
    images = CLIPImageProcessorPil(size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48})
    processor = LlavaProcessor(
        images,
        words,
        patch_size=12,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    return LlavaForConditionalGeneration(config), processor


class LlavaVision(torch.nn.Module):
    """The graph vision_encoder of LLaVA."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model.model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Run the graph."""
        tower = self.model.vision_tower
        tower = getattr(tower, "vision_model", tower)
        hidden = tower.pre_layrnorm(tower.embeddings(pixel_values))
        for layer in tower.encoder.layers[:-1]:
            hidden = layer(hidden, None)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return self.model.multi_modal_projector(hidden[:, 1:])


def export_tower(model: Any, path: Path) -> None:
    """Write vision_encoder."""
    side = model.config.vision_config.image_size
    write(
        LlavaVision(model),
        (torch.rand(2, 3, side, side),),
        path,
        ["pixel_values"],
        ["image_features"],
        {"pixel_values": {0: "batch"}, "image_features": {0: "batch"}},
    )
