"""What a graph's inputs and outputs say about the model, and whether they are those this backend runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.model_folder import ModelFolder

GENERATION_INPUTS = ("input_ids", "seqlens_k", "total_sequence_length", "logits_rows")
GENERATION_OUTPUTS = ("logits", "top_logits", "top_token_ids")
EMBEDDING_INPUTS = ("input_ids", "attention_mask")
EMBEDDING_OUTPUTS = ("sentence_embedding",)


@dataclass(frozen=True, slots=True)
class GenerationGraph:
    """A decoder with a shared KV cache, graph "gqa-shared-kv/1"."""

    num_layers: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    num_top_logits: int
    context_length: int


@dataclass(frozen=True, slots=True)
class EmbeddingGraph:
    """An encoder that pools and normalises, graph "sentence-embedding/1"."""

    embedding_size: int
    vocab_size: int
    context_length: int


def read_graph(session: ort.InferenceSession, folder: ModelFolder) -> GenerationGraph | EmbeddingGraph:
    """Recognise the graph by its inputs and outputs. Raises: ModelError naming the file and what was expected."""
    inputs = {value.name: value.shape for value in session.get_inputs()}
    outputs = {value.name: value.shape for value in session.get_outputs()}
    context_length = _context_length(session, folder)
    keys = [name for name in inputs if re.fullmatch(r"past_key_values\.\d+\.key", name)]
    cache = {f"past_key_values.{layer}.{part}" for layer in range(len(keys)) for part in ("key", "value")}
    presents = {name.replace("past_key_values", "present") for name in cache}
    if keys and set(inputs) == {*GENERATION_INPUTS, *cache} and set(outputs) == {*GENERATION_OUTPUTS, *presents}:
        _, heads, _, head_dim = inputs["past_key_values.0.key"]
        return GenerationGraph(
            num_layers=len(keys),
            num_key_value_heads=_static(folder.model_path, "past_key_values.0.key", heads),
            head_dim=_static(folder.model_path, "past_key_values.0.key", head_dim),
            vocab_size=_static(folder.model_path, "logits", outputs["logits"][1]),
            num_top_logits=_static(folder.model_path, "top_logits", outputs["top_logits"][1]),
            context_length=context_length,
        )
    if set(inputs) == set(EMBEDDING_INPUTS) and set(outputs) == set(EMBEDDING_OUTPUTS):
        size = _static(folder.model_path, "sentence_embedding", outputs["sentence_embedding"][1])
        return EmbeddingGraph(size, _vocab_size(folder), context_length)
    raise ModelError(
        f"{folder.model_path} is no graph that this backend runs: it has inputs {_few(inputs)} and outputs "
        f"{_few(outputs)}; expected inputs {_few(GENERATION_INPUTS)} with past_key_values.N.key and .value for "
        f"generation, or {_few(EMBEDDING_INPUTS)} for embeddings: convert the model with jan-ort"
    )


def _context_length(session: ort.InferenceSession, folder: ModelFolder) -> int:
    written = session.get_modelmeta().custom_metadata_map.get("jan_ort.context_length", "")
    if folder.context_length is not None:
        return min(folder.context_length, int(written)) if written.isdigit() else folder.context_length
    if not written.isdigit():
        raise ModelError(
            f"{folder.model_path} does not say its context length; jan_ort.json or the graph's metadata "
            "jan_ort.context_length must: convert the model again"
        )
    return int(written)


def _vocab_size(folder: ModelFolder) -> int:
    if folder.vocab_size is None:
        raise ModelError(f"{folder.path / 'config.json'} must hold vocab_size, the number of tokens that the model has")
    return folder.vocab_size


def _static(model_path: Path, name: str, size: object) -> int:
    if not isinstance(size, int) or size < 1:
        raise ModelError(f"{model_path}: a dimension of {name} is {size!r} and must be fixed; convert the model again")
    return size


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")
