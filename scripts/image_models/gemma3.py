"""Gemma 3."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from scripts.image_models import siglip
from scripts.image_models.common import TEMPLATE, Decoder, text_sizes, tokenizer

NAMED = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
PLACED = TEMPLATE.replace("'<image>'", "'<start_of_image>'")
UNUSED: Collection[str] = ()
EXTRA = ("token_type_ids",)


def make() -> tuple[Any, Any]:
    """Return a model and its processor."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    words = tokenizer(PLACED, [*NAMED.values(), "<end_of_utterance>"], NAMED)
    config = Gemma3Config(
        mm_tokens_per_image=4,
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
        text_config=text_sizes()
        | {
            "query_pre_attn_scalar": 16,
            "sliding_window": 12,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        vision_config=dict(siglip.TOWER),
    )
    images = Gemma3ImageProcessorPil(size={"height": 32, "width": 32})
    processor = Gemma3Processor(images, words, image_seq_length=4, chat_template=PLACED)
    return Gemma3ForConditionalGeneration(config), processor


class GemmaDecoder(Decoder):
    """A gemma whose images look at themselves both ways, where token_type_ids says that a token is of one."""

    def forward(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        token_type_ids: torch.Tensor,
        *pasts: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Run the graph."""
        hidden, presents = inputs_embeds, []
        sees = self.seen(attention_mask, token_type_ids)
        for index, layer in enumerate(self.text.layers):
            angles = self.text.rotary_emb(hidden, position_ids, layer.self_attn.layer_type)
            past = pasts[2 * index], pasts[2 * index + 1]
            visible = sees[layer.self_attn.layer_type]
            mixed, *present = self.attended(layer.self_attn, layer.input_layernorm(hidden), angles, past, visible)
            presents += present
            hidden = hidden + layer.post_attention_layernorm(mixed)
            spread = layer.mlp(layer.pre_feedforward_layernorm(hidden))
            hidden = hidden + layer.post_feedforward_layernorm(spread)
        return (self.lm_head(self.text.norm(hidden)), *presents)

    def seen(self, attention_mask: torch.Tensor, token_type_ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return which place each token sees in the two kinds of layers."""
        total, length = attention_mask.shape[1], token_type_ids.shape[1]
        places = torch.arange(total)
        own = places[total - length :]
        begins = (token_type_ids == 1) & (torch.nn.functional.pad(token_type_ids, (1, 0))[:, :-1] != 1)
        groups = torch.where(token_type_ids == 1, torch.cumsum(begins.int(), dim=1), 0)
        groups = torch.nn.functional.pad(groups, (total - length, 0))
        together = (groups[:, total - length :, None] == groups[:, None]) & (groups[:, None] > 0)
        full = ((places[None, None] <= own[None, :, None]) | together) & (attention_mask[:, None] > 0)
        near = own[:, None] - places[None] < self.text.config.sliding_window
        return {"full_attention": full[:, None], "sliding_attention": (full & near[None])[:, None]}


DECODER = GemmaDecoder


def export_tower(model: Any, path: Path) -> None:
    """Write vision_encoder."""
    siglip.export(model, path, is_normed=True)
