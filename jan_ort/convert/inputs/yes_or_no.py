"""Decoders that rank by answering yes or no: Qwen3-Reranker, from GGUF and safetensors.

Sources: the model's page; build_pooling and conversion/qwen.py of llama.cpp; LogitScore of sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.ground.model_errors import ConversionError

if TYPE_CHECKING:
    from pathlib import Path

    from jan_ort.convert.architectures.decoder_config import DecoderConfig
    from jan_ort.convert.inputs.checkpoint import Checkpoint

QUERY, DOCUMENT = "{query}", "{document}"

ANSWERING = "qwen3"
"""The architecture, in either kind of file."""

_NAME = "qwen3-reranker"
_GGUF_HEAD, _GGUF_TEMPLATE = "cls.output", "tokenizer.chat_template.rerank"
_TEMPLATE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n<Instruct>: Given a web '
    f"search query, retrieve relevant passages that answer the query\n<Query>: {QUERY}\n"
    f"<Document>: {DOCUMENT}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)


@dataclass(frozen=True, slots=True)
class YesOrNo:
    """How such a model is asked, and which ``rows`` of a ``tensor`` its last hidden state says yes and no with."""

    template: str
    tensor: str
    rows: tuple[int, int]

    def direction(self, model: Checkpoint, config: DecoderConfig) -> NDArray[np.float32]:
        """Return what gives the logarithm of the odds of yes, float32 ``(1, hidden_size)``."""
        name = f"{self.tensor}.weight"
        yes, no = model.tensor(name, (model.num_rows(name), config.hidden_size)).rows([*self.rows])
        odds: NDArray[np.float32] = (yes - no)[np.newaxis]
        return odds


def can_answer(model_type: object, architectures: object) -> bool:
    """Say whether a checkpoint's config.json is of the kind that can rank so."""
    heads = architectures if isinstance(architectures, list) else []
    return model_type == ANSWERING and [str(each)[-11:] for each in heads[:1]] == ["ForCausalLM"]


def ranks_by_answering(config: dict[str, Any], names: Iterable[str]) -> bool:
    """Say whether a checkpoint ranks: its files are a chat model's, and only a name tells it."""
    is_named = any(_NAME in str(name).lower() for name in (config.get("_name_or_path", ""), *names))
    return is_named and can_answer(config.get("model_type"), config.get("architectures"))


def gguf_yes_or_no(model: Checkpoint, architecture: str) -> YesOrNo:
    """Read the head and the question of a GGUF file. Raises: ConversionError."""
    if architecture != ANSWERING or not model.has_tensor(f"{_GGUF_HEAD}.weight"):
        model.refuse(
            f"it scores pairs of texts (its pooling_type is rank), which of decoders is supported of {ANSWERING} "
            f"with a tensor {_GGUF_HEAD}.weight only"
        )
    if (rows := model.num_rows(f"{_GGUF_HEAD}.weight")) != 2:
        model.refuse(f"its head gives {rows} numbers for a pair of texts; needed are those of yes and no")
    template = model.string(_GGUF_TEMPLATE, _TEMPLATE)
    if template.count(QUERY) != 1 or template.count(DOCUMENT) != 1:
        model.refuse(f"{model.spelled(_GGUF_TEMPLATE)} does not say where {QUERY} and {DOCUMENT} stand, each once")
    labels = f"{architecture}.classifier.output_labels"
    if labels in model and (named := model.strings(labels)) != ["yes", "no"]:
        model.refuse(f"{model.spelled(labels)} is {named!r:.80}; supported: yes, no")
    return YesOrNo(template, _GGUF_HEAD, (0, 1))


def hf_yes_or_no(model: Checkpoint, tensors: tuple[str, str], vocabulary: dict[str, Any], source: Path) -> YesOrNo:
    """Return how a checkpoint ranks; ``tensors`` name its head, and its embedding where that is the head.

    Raises: ConversionError.
    """
    head = next((each for each in tensors if model.has_tensor(f"{each}.weight")), tensors[-1])
    yes, no = (vocabulary.get(word) for word in ("yes", "no"))
    if type(yes) is not int or type(no) is not int or not 0 <= min(yes, no) <= max(yes, no) < 2**31:
        raise ConversionError(f"{source}: tokenizer.json has no tokens 'yes' and 'no', which such a model answers with")
    if max(yes, no) >= (rows := model.num_rows(f"{head}.weight")):
        raise ConversionError(f"{source}: the tokens 'yes' and 'no' are {yes} and {no}, and the model has {rows}")
    return YesOrNo(_TEMPLATE, head, (yes, no))
