"""Architectures that can be converted, one recipe a file; ``decoder`` and ``encoder`` say what a recipe is."""

from __future__ import annotations

from jan_ort.convert.architectures.bert import BERT
from jan_ort.convert.architectures.command_r import COMMAND_R, COMMAND_R_HF
from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.deepseek2 import DEEPSEEK2, DEEPSEEK2_HF, DEEPSEEK3_HF
from jan_ort.convert.architectures.distilbert import DISTILBERT
from jan_ort.convert.architectures.encoder import Encoder
from jan_ort.convert.architectures.exaone4 import EXAONE4, EXAONE4_HF
from jan_ort.convert.architectures.falcon import FALCON, FALCON_HF
from jan_ort.convert.architectures.gemma import GEMMA, GEMMA_HF
from jan_ort.convert.architectures.gemma2 import GEMMA2, GEMMA2_HF
from jan_ort.convert.architectures.gemma3 import GEMMA3, GEMMA3_HF
from jan_ort.convert.architectures.gemma4 import GEMMA4, GEMMA4_HF
from jan_ort.convert.architectures.gemma_embedding import GEMMA_EMBEDDING
from jan_ort.convert.architectures.glm4 import GLM4, GLM4_HF
from jan_ort.convert.architectures.gpt2 import GPT2, GPT2_HF
from jan_ort.convert.architectures.gpt_oss import GPT_OSS, GPT_OSS_HF
from jan_ort.convert.architectures.granite import GRANITE, GRANITE_HF
from jan_ort.convert.architectures.hf_layout import HfLayout
from jan_ort.convert.architectures.lfm2 import LFM2, LFM2_HF
from jan_ort.convert.architectures.llama import LLAMA, LLAMA_HF, MISTRAL_HF, MIXTRAL_HF
from jan_ort.convert.architectures.mistral3 import MINISTRAL3_HF, MISTRAL3
from jan_ort.convert.architectures.modernbert import MODERNBERT
from jan_ort.convert.architectures.mpnet import MPNET
from jan_ort.convert.architectures.nomic_bert import NOMIC_BERT
from jan_ort.convert.architectures.olmo2 import OLMO2, OLMO2_HF, OLMO3_HF
from jan_ort.convert.architectures.phi2 import PHI2, PHI_HF
from jan_ort.convert.architectures.phi3 import PHI3, PHI3_HF
from jan_ort.convert.architectures.qwen2 import QWEN2, QWEN2_HF
from jan_ort.convert.architectures.qwen2moe import QWEN2MOE, QWEN2MOE_HF
from jan_ort.convert.architectures.qwen2vl import QWEN2VL
from jan_ort.convert.architectures.qwen3 import QWEN3, QWEN3_HF
from jan_ort.convert.architectures.qwen3moe import QWEN3MOE, QWEN3MOE_HF
from jan_ort.convert.architectures.qwen35 import QWEN35, QWEN35_HF
from jan_ort.convert.architectures.qwen35moe import QWEN35MOE, QWEN35MOE_HF
from jan_ort.convert.architectures.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA
from jan_ort.convert.architectures.smollm3 import SMOLLM3, SMOLLM3_HF
from jan_ort.convert.architectures.stablelm import STABLELM, STABLELM_HF
from jan_ort.convert.architectures.starcoder2 import STARCODER2, STARCODER2_HF

ARCHITECTURES: tuple[Decoder | Encoder, ...] = (
    LLAMA,
    QWEN2,
    QWEN2VL,
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
    GEMMA4,
    GEMMA_EMBEDDING,
    QWEN2MOE,
    QWEN3MOE,
    GPT_OSS,
    LFM2,
    QWEN35,
    QWEN35MOE,
    DEEPSEEK2,
    BERT,
    ROBERTA,
    XLM_ROBERTA,
    CAMEMBERT,
    MPNET,
    DISTILBERT,
    MODERNBERT,
    NOMIC_BERT,
)
"""Decoders generate text, encoders embed it, or score pairs of texts."""

HF_LAYOUTS: tuple[HfLayout, ...] = (
    LLAMA_HF,
    MISTRAL_HF,
    QWEN2_HF,
    QWEN3_HF,
    SMOLLM3_HF,
    GRANITE_HF,
    MINISTRAL3_HF,
    PHI3_HF,
    PHI_HF,
    OLMO2_HF,
    OLMO3_HF,
    GLM4_HF,
    EXAONE4_HF,
    STARCODER2_HF,
    STABLELM_HF,
    FALCON_HF,
    GPT2_HF,
    COMMAND_R_HF,
    GEMMA_HF,
    GEMMA2_HF,
    GEMMA3_HF,
    GEMMA4_HF,
    MIXTRAL_HF,
    QWEN2MOE_HF,
    QWEN3MOE_HF,
    GPT_OSS_HF,
    DEEPSEEK2_HF,
    DEEPSEEK3_HF,
    LFM2_HF,
    QWEN35_HF,
    QWEN35MOE_HF,
)
"""The decoders as Hugging Face checkpoints have them, in safetensors files."""


def decoders() -> dict[str, Decoder]:
    """Return the decoders by the values of general.architecture."""
    return {each.name: each for each in ARCHITECTURES if isinstance(each, Decoder)}


def encoders() -> dict[str, Encoder]:
    """Return the encoders by the values of model_type in config.json."""
    return {each.name: each for each in ARCHITECTURES if isinstance(each, Encoder)}


def gguf_encoders() -> dict[str, Encoder]:
    """Return the encoders by the values of general.architecture."""
    return {each.gguf: each for each in encoders().values() if each.gguf}


def hf_layouts() -> dict[str, HfLayout]:
    """Return the decoders of Hugging Face checkpoints by the values of model_type in config.json."""
    return {each.model_type: each for each in HF_LAYOUTS}
