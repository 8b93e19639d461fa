"""Write the small random models that read images, and record what transformers says of them.

``python -m scripts.record_image_models``, in an environment with transformers 5, torch, pillow, onnx and onnxscript.
Each model is a trio as onnx-community publishes it (vision_encoder, embed_tokens, decoder_model_merged), with its
processor's files.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "fixtures" / "image_models"
TOKENIZER = ROOT / "backends" / "jan_ort_backends" / "reference_model"
NUM_TOKENS = 24
MAX_POSITIONS = 1024
IMAGE_TAGS = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
IMAGE_TAGS += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]


def tokenizer(template: str) -> PreTrainedTokenizerFast:
    """Return the reference model's tokenizer with the names that images need."""
    made = PreTrainedTokenizerFast(
        tokenizer_file=str(TOKENIZER / "tokenizer.json"),
        bos_token="<|endoftext|>",  # noqa: S106
        eos_token="<|im_end|>",  # noqa: S106
    )
    made.add_special_tokens({"additional_special_tokens": IMAGE_TAGS})
    made.chat_template = template
    return made


TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role | capitalize }}"
    "{% if message.content[0].type == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in message.content %}{% if line.type == 'text' %}{{ line.text }}"
    "{% elif line.type == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def text_sizes() -> dict[str, Any]:
    """Return the sizes of the decoder."""
    return {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 552,
        "max_position_embeddings": MAX_POSITIONS,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "pad_token_id": 506,
        "bos_token_id": 506,
        "eos_token_id": 508,
    }


def idefics3() -> tuple[Any, Any]:
    """Return a model of the Idefics3 and SmolVLM kind, and its processor."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    words = tokenizer(TEMPLATE)
    config = Idefics3Config(
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        text_config={"model_type": "llama", **text_sizes()},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 8,
        },
    )
    images = Idefics3ImageProcessorPil(size={"longest_edge": 96}, max_image_size={"longest_edge": 32})
    processor = Idefics3Processor(images, words, image_seq_len=4, chat_template=TEMPLATE)
    return Idefics3ForConditionalGeneration(config), processor


def llava() -> tuple[Any, Any]:
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


class Embedding(torch.nn.Module):
    """The graph embed_tokens."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.embed = model.get_input_embeddings()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Run the graph."""
        return self.embed(input_ids)


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


class Decoder(torch.nn.Module):
    """A llama over a cache that it takes and returns longer, written out so that it can be traced."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.text = getattr(model.model, "text_model", None) or model.model.language_model
        self.lm_head = model.lm_head

    def forward(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        *pasts: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Run the graph."""
        config, hidden = self.text.config, inputs_embeds
        cos, sin = self.text.rotary_emb(hidden, position_ids)
        total = attention_mask.shape[1]
        visible = torch.arange(total)[None, None, None] <= position_ids[:, None, :, None]
        visible = visible & (attention_mask[:, None, None, :] > 0)
        presents: list[torch.Tensor] = []
        for index, layer in enumerate(self.text.layers):
            attention, normed = layer.self_attn, layer.input_layernorm(hidden)
            shape = (normed.shape[0], -1, 1, config.head_dim)
            query, key, value = (
                product(normed).view(shape[0], normed.shape[1], -1, config.head_dim).transpose(1, 2)
                for product in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            query, key = (each * cos[:, None] + _turned(each) * sin[:, None] for each in (query, key))
            key = torch.cat([pasts[2 * index], key], dim=2)
            value = torch.cat([pasts[2 * index + 1], value], dim=2)
            presents += [key, value]
            groups = config.num_attention_heads // config.num_key_value_heads
            keys, values = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
            scores = query @ keys.transpose(2, 3) * config.head_dim**-0.5
            weights = torch.softmax(scores.masked_fill(~visible, -1e30), dim=-1)
            mixed = (weights @ values).transpose(1, 2).reshape(hidden.shape[0], hidden.shape[1], -1)
            hidden = hidden + attention.o_proj(mixed)
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return (self.lm_head(self.text.norm(hidden)), *presents)


def _turned(states: torch.Tensor) -> torch.Tensor:
    half = states.shape[-1] // 2
    return torch.cat([-states[..., half:], states[..., :half]], dim=-1)


MAKERS: dict[str, Callable[[], tuple[Any, Any]]] = {"idefics3": idefics3, "llava": llava}


def export(name: str, model: Any, folder: Path) -> None:
    """Write the three graphs."""
    onnx = folder / "onnx"
    onnx.mkdir(parents=True, exist_ok=True)
    _export_embedding(model, onnx / "embed_tokens.onnx")
    _export_decoder(model, onnx / "decoder_model_merged.onnx")
    VISION[name](model, onnx / "vision_encoder.onnx")


def _export_embedding(model: Any, path: Path) -> None:
    _write(
        Embedding(model),
        (torch.ones(1, 4, dtype=torch.int64),),
        path,
        ["input_ids"],
        ["inputs_embeds"],
        {"input_ids": {0: "batch", 1: "sequence"}, "inputs_embeds": {0: "batch", 1: "sequence"}},
    )


def _export_decoder(model: Any, path: Path) -> None:
    text = model.config.text_config
    layers = range(text.num_hidden_layers)
    past = torch.zeros(1, text.num_key_value_heads, 3, text.head_dim)
    pasts = [f"past_key_values.{layer}.{part}" for layer in layers for part in ("key", "value")]
    presents = [each.replace("past_key_values", "present") for each in pasts]
    grows = {each: {0: "batch", 2: "past"} for each in pasts} | {each: {0: "batch", 2: "total"} for each in presents}
    arrays = (torch.zeros(1, 2, text.hidden_size), torch.ones(1, 5, dtype=torch.int64), torch.tensor([[3, 4]]))
    _write(
        Decoder(model),
        (*arrays, *[past] * len(pasts)),
        path,
        ["inputs_embeds", "attention_mask", "position_ids", *pasts],
        ["logits", *presents],
        {
            "inputs_embeds": {0: "batch", 1: "sequence"},
            "attention_mask": {0: "batch", 1: "total"},
            "position_ids": {0: "batch", 1: "sequence"},
            "logits": {0: "batch", 1: "sequence"},
            **grows,
        },
    )


def _export_idefics3_vision(model: Any, path: Path) -> None:
    side = model.config.vision_config.image_size
    _write(
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


def _export_llava_vision(model: Any, path: Path) -> None:
    side = model.config.vision_config.image_size
    _write(
        LlavaVision(model),
        (torch.rand(2, 3, side, side),),
        path,
        ["pixel_values"],
        ["image_features"],
        {"pixel_values": {0: "batch"}, "image_features": {0: "batch"}},
    )


VISION: dict[str, Callable[[Any, Path], None]] = {"idefics3": _export_idefics3_vision, "llava": _export_llava_vision}


def _write(module: Any, arrays: Any, path: Path, inputs: Any, outputs: Any, axes: Any) -> None:
    torch.onnx.export(
        module.eval(),
        arrays,
        str(path),
        input_names=inputs,
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=18,
        dynamo=False,
    )


def picture(seed: int, height: int, width: int) -> Image.Image:
    """Return a picture of twelve colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return Image.fromarray(np.repeat(np.repeat(coarse, -(-height // 3), 0), -(-width // 4), 1)[:height, :width])


CONVERSATIONS: dict[str, tuple[list[str | int], ...]] = {
    "one": ([1, "What is this?"],),
    "two": (["First ", 2, " and then ", 3, " which is it?"],),
    "turns": ([1, "What is this?"], ["A tree."], ["And ", 2]),
    "text": (["Who are you?"],),
}
SIZES = {1: (30, 40), 2: (64, 20), 3: (9, 9)}


def messages_of(turns: Any) -> list[dict[str, Any]]:
    """Return a conversation."""
    return [
        {
            "role": "assistant" if at % 2 else "user",
            "content": [{"type": "image"} if isinstance(p, int) else {"type": "text", "text": p} for p in turn],
        }
        for at, turn in enumerate(turns)
    ]


def golden(model: Any, processor: Any) -> dict[str, Any]:
    """Return what transformers answers to each conversation."""
    recorded = {}
    for name, turns in CONVERSATIONS.items():
        images = [picture(part, *SIZES[part]) for turn in turns for part in turn if isinstance(part, int)]
        text = processor.apply_chat_template(messages_of(turns), add_generation_prompt=True, tokenize=False)
        inputs = processor(text=[text], images=[images] if images else None, return_tensors="pt")
        inputs.pop("mm_token_type_ids", None)
        inputs.pop("token_type_ids", None)
        with torch.no_grad():
            logits = model(**inputs).logits[0, -1]
            out = model.generate(**inputs, max_new_tokens=NUM_TOKENS, do_sample=False, eos_token_id=None)
        ids = inputs["input_ids"][0].tolist()
        recorded[name] = {
            "prompt": ids,
            "generated": out[0, len(ids) :].tolist(),
            "logits": [round(value, 6) for value in logits.tolist()],
        }
    return recorded


def main() -> None:
    """Write all models, or those that are named."""
    for name in sys.argv[1:] or MAKERS:
        torch.manual_seed(7)
        model, processor = MAKERS[name]()
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() > 1:
                    weight.normal_(0.0, 0.15)
        model = model.eval().float()
        folder = FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        export(name, model, folder)
        processor.save_pretrained(folder)
        model.config.save_pretrained(folder)
        model.generation_config.save_pretrained(folder)
        (folder / "golden.json").write_text(json.dumps(golden(model, processor)) + "\n")
        print(name, sum(p.numel() for p in model.parameters()), "parameters", sorted(p.name for p in folder.iterdir()))


if __name__ == "__main__":
    main()
