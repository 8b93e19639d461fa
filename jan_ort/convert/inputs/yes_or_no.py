"""Decoders that rank by answering yes or no: Qwen3-Reranker, from GGUF and safetensors.

Sources: the model's page; build_pooling and conversion/qwen.py of llama.cpp; LogitScore of sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures import hf_layouts
from jan_ort.convert.architectures.hf_layout import HfLayout
from jan_ort.ground.model_errors import ConversionError

if TYPE_CHECKING:
    from pathlib import Path

    from jan_ort.convert.architectures.decoder_config import DecoderConfig
    from jan_ort.convert.inputs.checkpoint import Checkpoint
    from jan_ort.convert.inputs.hf_checkpoint import HfCheckpoint

QUERY, DOCUMENT = "{query}", "{document}"

ANSWERING = "qwen3"
"""The architecture, in either kind of file."""

_NAME, _CLASSIFIER = "qwen3-reranker", "ForSequenceClassification"
_GGUF_HEAD, _GGUF_TEMPLATE = "cls.output", "tokenizer.chat_template.rerank"

INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
PAGE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    f"<Instruct>: {INSTRUCTION}\n<Query>: {QUERY}\n<Document>: {DOCUMENT}<|im_end|>\n<|im_start|>assistant\n"
    "<think>\n\n</think>\n\n"
)
"""How the model's page has it asked."""


@dataclass(frozen=True, slots=True)
class YesOrNo:
    """How such a model is asked, and which ``rows`` of a ``tensor`` its last hidden state says yes and no with.

    One row is the difference of the two.
    """

    template: str
    tensor: str
    rows: tuple[int, ...]

    def direction(self, model: Checkpoint, config: DecoderConfig) -> NDArray[np.float32]:
        """Return what gives the logarithm of the odds of yes, float32 ``(1, hidden_size)``."""
        name = f"{self.tensor}.weight"
        rows = model.tensor(name, (model.num_rows(name), config.hidden_size)).rows([*self.rows])
        odds: NDArray[np.float32] = rows if len(rows) == 1 else rows[:1] - rows[1:]
        return odds


@dataclass(frozen=True, slots=True)
class SavedReranker:
    """The question that a folder with modules.json asks, and the tokens of yes and no; None: the words."""

    template: str
    tokens: tuple[int, int] | None


def answering_layout(config: dict[str, Any]) -> HfLayout | None:
    """Return how a checkpoint that can rank so is spelled; None: config.json is of another kind.

    One that was made a classifier has a head with one row.
    """
    heads = config.get("architectures")
    head = str(heads[0]) if isinstance(heads, list) and heads else ""
    if config.get("model_type") != ANSWERING or not head.endswith(("ForCausalLM", _CLASSIFIER)):
        return None
    layout = hf_layouts()[ANSWERING]
    return replace(layout, tensors={**layout.tensors, "score": "head"}) if head.endswith(_CLASSIFIER) else layout


def ranks_by_answering(config: dict[str, Any], names: Iterable[str]) -> bool:
    """Say whether a checkpoint ranks: its files do not say what it has to be asked, and only a name tells it."""
    is_named = any(_NAME in str(name).lower() for name in (config.get("_name_or_path", ""), *names))
    return is_named and answering_layout(config) is not None


def gguf_yes_or_no(model: Checkpoint, architecture: str) -> YesOrNo:
    """Read the head and the question of a GGUF file. Raises: ConversionError."""
    if architecture != ANSWERING or not model.has_tensor(f"{_GGUF_HEAD}.weight"):
        model.refuse(
            "it scores pairs of texts (its pooling_type is rank), which for decoders is only supported with "
            f"{ANSWERING} "
            f"and a tensor {_GGUF_HEAD}.weight"
        )
    if (rows := model.num_rows(f"{_GGUF_HEAD}.weight")) != 2:
        model.refuse(f"its head gives {rows} numbers for a pair of texts; expected are two, for yes and no")
    template = model.string(_GGUF_TEMPLATE, PAGE)
    if template.count(QUERY) != 1 or template.count(DOCUMENT) != 1:
        model.refuse(f"{model.spelled(_GGUF_TEMPLATE)} does not say where {QUERY} and {DOCUMENT} stand, each once")
    labels = f"{architecture}.classifier.output_labels"
    if labels in model and (named := model.strings(labels)) != ["yes", "no"]:
        model.refuse(f"{model.spelled(labels)} is {named!r:.80}; supported: yes, no")
    return YesOrNo(template, _GGUF_HEAD, (0, 1))


def hf_yes_or_no(
    model: HfCheckpoint, vocabulary: dict[str, Any], source: Path, saved: SavedReranker | None = None
) -> YesOrNo:
    """Return how a checkpoint ranks, as its files say or its page; its embedding may be its head.

    Raises: ConversionError.
    """
    template = PAGE if saved is None else saved.template
    names = model.decoder.tensors
    head = names.head if model.has_tensor(f"{names.head}.weight") else names.embedding
    if model.num_rows(f"{head}.weight") == 1:
        return YesOrNo(template, head, (0,))
    stated = saved.tokens if saved is not None else None
    yes, no = stated or (vocabulary.get(word) for word in ("yes", "no"))
    if type(yes) is not int or type(no) is not int or not 0 <= min(yes, no) <= max(yes, no) < 2**31:
        raise ConversionError(f"{source}: tokenizer.json has no tokens 'yes' and 'no', which such a model answers with")
    if max(yes, no) >= (rows := model.num_rows(f"{head}.weight")):
        raise ConversionError(f"{source}: the tokens 'yes' and 'no' are {yes} and {no}, and the model has {rows}")
    return YesOrNo(template, head, (yes, no))
