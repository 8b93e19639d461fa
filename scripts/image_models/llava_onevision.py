"""LLaVA-OneVision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from scripts.image_models.common import TEMPLATE, text_sizes, tokenizer, write

SIZES = [[32, 32], [32, 64], [64, 32], [64, 64], [32, 96], [96, 32], [96, 96]]


def make() -> tuple[Any, Any]:
    """Return a model and its processor."""
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, LlavaOnevisionProcessor
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
    from transformers.models.llava_onevision.video_processing_llava_onevision import LlavaOnevisionVideoProcessor

    words = tokenizer(TEMPLATE)
    config = LlavaOnevisionConfig(
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_1",
        image_grid_pinpoints=SIZES,
        text_config={"model_type": "qwen2", **text_sizes()},
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 8,
            "vision_use_head": False,
        },
    )
    images = LlavaOnevisionImageProcessorPil(size={"height": 32, "width": 32}, image_grid_pinpoints=SIZES)
    processor = LlavaOnevisionProcessor(
        images,
        words,
        LlavaOnevisionVideoProcessor(),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_1",
        chat_template=TEMPLATE,
    )
    return LlavaOnevisionForConditionalGeneration(config), processor


def detail(num_images: int) -> str:
    """Return how closely transformers looks at each of so many."""
    return "low" if num_images > 1 else "auto"


class Vision(torch.nn.Module):
    """The graph vision_encoder, of tiles alone: what stands between them is laid out by whoever runs it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model.model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Run the graph."""
        tower = getattr(self.model.vision_tower, "vision_model", self.model.vision_tower)
        hidden = tower.embeddings(pixel_values)
        for layer in tower.encoder.layers:
            hidden = layer(hidden, None)
        return self.model.multi_modal_projector(hidden)


def export_tower(model: Any, path: Path) -> None:
    """Write vision_encoder, and the end of a row into the configuration, where optimum-intel has it, too."""
    side = model.config.vision_config.image_size
    write(
        Vision(model),
        (torch.rand(2, 3, side, side),),
        path,
        ["pixel_values"],
        ["image_features"],
        {"pixel_values": {0: "batch"}, "image_features": {0: "batch"}},
    )
    model.config.image_newline = model.model.image_newline.tolist()
