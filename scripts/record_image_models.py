"""Write the small random models that read images, and record what transformers says of them.

``python -m scripts.record_image_models``, in an environment with transformers 5, torch, torchvision, pillow, onnx and
onnxscript.
Each model is a trio as onnx-community publishes it (vision_encoder, embed_tokens, decoder_model_merged), with its
processor's files.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from scripts.image_models import gemma3, idefics3, llava, llava_onevision, qwen2_5_vl, qwen_vl
from scripts.image_models.common import ROOT, export_decoder, export_embedding

FOLDER = ROOT / "tests" / "fixtures" / "image_models"
NUM_TOKENS = 24
KINDS: dict[str, Any] = {
    "idefics3": idefics3,
    "llava": llava,
    "llava_onevision": llava_onevision,
    "qwen2_vl": qwen_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "gemma3": gemma3,
}


def export(name: str, model: Any, folder: Path) -> None:
    """Write the three graphs."""
    onnx = folder / "onnx"
    onnx.mkdir(parents=True, exist_ok=True)
    export_embedding(model, onnx / "embed_tokens.onnx")
    export_decoder(model, onnx / "decoder_model_merged.onnx", KINDS[name])
    KINDS[name].export_tower(model, onnx / "vision_encoder.onnx")


def picture(seed: int, height: int, width: int) -> Image.Image:
    """Return a picture of twelve colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return Image.fromarray(np.repeat(np.repeat(coarse, -(-height // 3), 0), -(-width // 4), 1)[:height, :width])


CONVERSATIONS: dict[str, tuple[list[str | int], ...]] = {
    "one": ([1, "What is this?"],),
    "two": (["First ", 2, " and then ", 3, " which is it?"],),
    "turns": ([1, "What is this?"], ["A tree."], ["And ", 2]),
    "small": ([3, "What is this?"],),
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


def golden(name: str, model: Any, processor: Any) -> dict[str, Any]:
    """Return what transformers answers to each conversation."""
    recorded = {}
    for conversation, turns in CONVERSATIONS.items():
        images = [picture(part, *SIZES[part]) for turn in turns for part in turn if isinstance(part, int)]
        text = processor.apply_chat_template(messages_of(turns), add_generation_prompt=True, tokenize=False)
        inputs = processor(text=[text], images=[images] if images else None, return_tensors="pt")
        for unused in getattr(KINDS[name], "UNUSED", ("mm_token_type_ids", "token_type_ids")):
            inputs.pop(unused, None)
        with torch.no_grad():
            logits = model(**inputs).logits[0, -1]
            out = model.generate(**inputs, max_new_tokens=NUM_TOKENS, do_sample=False, eos_token_id=None)
        ids = inputs["input_ids"][0].tolist()
        recorded[conversation] = {
            "detail": getattr(KINDS[name], "detail", lambda _: "auto")(len(images)),
            "prompt": ids,
            "generated": out[0, len(ids) :].tolist(),
            "logits": [round(value, 6) for value in logits.tolist()],
        }
    return recorded


def main() -> None:
    """Write all models, or those that are named."""
    for name in sys.argv[1:] or KINDS:
        torch.manual_seed(7)
        model, processor = KINDS[name].make()
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
        (folder / "golden.json").write_text(json.dumps(golden(name, model, processor)) + "\n")
        print(name, sum(p.numel() for p in model.parameters()), "parameters", sorted(p.name for p in folder.iterdir()))


if __name__ == "__main__":
    main()
