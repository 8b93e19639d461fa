"""The side of ``image_first_token`` that runs where transformers and torch are: makes the model, and answers."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scripts.image_models import idefics3
from scripts.image_models.common import export_decoder, export_embedding

TOWER = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 512,
    "patch_size": 16,
}
TEXT = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": 49280,
    "max_position_embeddings": 8192,
}
"""SmolVLM-256M's sizes."""


def main(folder: Path, image: Path, num_threads: int) -> None:
    """Write the model, and for each line of the input print seconds to the first token and the token."""
    torch.set_num_threads(num_threads)
    torch.manual_seed(7)
    model, processor = idefics3.make(TOWER, TEXT, scale=4)
    model = model.eval().float()
    if not (folder / "config.json").is_file():
        (folder / "onnx").mkdir(parents=True)
        export_embedding(model, folder / "onnx" / "embed_tokens.onnx")
        export_decoder(model, folder / "onnx" / "decoder_model_merged.onnx", idefics3)
        idefics3.export_tower(model, folder / "onnx" / "vision_encoder.onnx")
        processor.save_pretrained(folder)
        model.config.save_pretrained(folder)
    pixels = Image.fromarray(np.load(image))
    print("ready", flush=True)
    for line in sys.stdin:
        is_split = line.strip() == "high"
        started = time.perf_counter()
        inputs = processor(
            text=["<image>What is this?"], images=[[pixels]], return_tensors="pt", do_image_splitting=is_split
        )
        with torch.inference_mode():
            logits = model(**inputs, logits_to_keep=1).logits[0, -1]
        token = int(logits.argmax())
        print(time.perf_counter() - started, token, inputs["input_ids"].shape[1], flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
