"""Architectures that can be converted, one recipe a file; ``decoder`` and ``encoder`` say what a recipe is."""

from __future__ import annotations

from jan_ort.convert.architectures.bert import BERT
from jan_ort.convert.architectures.command_r import COMMAND_R
from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.encoder import Encoder
from jan_ort.convert.architectures.exaone4 import EXAONE4
from jan_ort.convert.architectures.falcon import FALCON
from jan_ort.convert.architectures.gemma import GEMMA
from jan_ort.convert.architectures.gemma2 import GEMMA2
from jan_ort.convert.architectures.gemma3 import GEMMA3
from jan_ort.convert.architectures.glm4 import GLM4
from jan_ort.convert.architectures.gpt2 import GPT2
from jan_ort.convert.architectures.granite import GRANITE
from jan_ort.convert.architectures.llama import LLAMA
from jan_ort.convert.architectures.mistral3 import MISTRAL3
from jan_ort.convert.architectures.olmo2 import OLMO2
from jan_ort.convert.architectures.phi2 import PHI2
from jan_ort.convert.architectures.phi3 import PHI3
from jan_ort.convert.architectures.qwen2 import QWEN2
from jan_ort.convert.architectures.qwen3 import QWEN3
from jan_ort.convert.architectures.smollm3 import SMOLLM3
from jan_ort.convert.architectures.stablelm import STABLELM
from jan_ort.convert.architectures.starcoder2 import STARCODER2

ARCHITECTURES: tuple[Decoder | Encoder, ...] = (
    LLAMA,
    QWEN2,
    QWEN3,
    SMOLLM3,
    GRANITE,
    MISTRAL3,
    PHI3,
    PHI2,
    OLMO2,
    GLM4,
    EXAONE4,
    STARCODER2,
    STABLELM,
    FALCON,
    GPT2,
    COMMAND_R,
    GEMMA,
    GEMMA2,
    GEMMA3,
    BERT,
)
"""Decoders come as GGUF files and generate text; encoders come as sentence-transformers folders and embed it."""


def decoders() -> dict[str, Decoder]:
    """Return the decoders by the values of general.architecture."""
    return {each.name: each for each in ARCHITECTURES if isinstance(each, Decoder)}


def encoders() -> dict[str, Encoder]:
    """Return the encoders by the values of model_type in config.json."""
    return {each.name: each for each in ARCHITECTURES if isinstance(each, Encoder)}
