"""Architectures that can be converted, one recipe a file; ``decoder`` and ``encoder`` say what a recipe is."""

from __future__ import annotations

from jan_ort.convert.architectures.bert import BERT
from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.encoder import Encoder
from jan_ort.convert.architectures.llama import LLAMA
from jan_ort.convert.architectures.qwen2 import QWEN2

ARCHITECTURES: tuple[Decoder | Encoder, ...] = (LLAMA, QWEN2, BERT)
"""Decoders come as GGUF files and generate text; encoders come as sentence-transformers folders and embed it."""


def decoders() -> dict[str, Decoder]:
    """Return the decoders by the values of general.architecture."""
    return {each.name: each for each in ARCHITECTURES if isinstance(each, Decoder)}


def encoders() -> dict[str, Encoder]:
    """Return the encoders by the values of model_type in config.json."""
    return {each.name: each for each in ARCHITECTURES if isinstance(each, Encoder)}
