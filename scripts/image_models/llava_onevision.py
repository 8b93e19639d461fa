"""LLaVA-OneVision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.image_models import siglip
from scripts.image_models.common import TEMPLATE, text_sizes, tokenizer

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
        vision_config=dict(siglip.TOWER),
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


def export_tower(model: Any, path: Path) -> None:
    """Write vision_encoder, and the end of a row into the configuration, where optimum-intel has it, too."""
    siglip.export(model, path, is_normed=False)
    model.config.image_newline = model.model.image_newline.tolist()
