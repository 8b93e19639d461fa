"""An encoder graph: one vector a text, from the graph or pooled by us, or the scores of a pair of texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from jan_ort_backends import ModelError
from jan_ort_backends.context_length import BARE_CONTEXT_LENGTH, first_position
from jan_ort_onnxruntime.graphs.onnx_file import GraphValue, OnnxFile
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder
from jan_ort_onnxruntime.graphs.pair_template import read_separator
from jan_ort_onnxruntime.graphs.pooling import Pooling

INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")

_POOLED = ("sentence_embedding", "sentence_embeddings", "text_embeds")
_SCORES = "logits"
HIDDEN = ("last_hidden_state", "token_embeddings")
_FLOATS = ("float32", "float16")


@dataclass(frozen=True, slots=True)
class EmbeddingGraph:
    """``inputs`` are some of INPUTS; ``pooling`` None: ``output`` holds the finished vectors.

    ``output`` has ``rank`` 2, a vector a text, or 3, a vector a token. ``first_position`` is that of a text's first
    token. ``task`` is "embed", or "rerank" where the output is a pair's scores: then the tokens behind the first
    ``separator`` have the second text's type, if it is not None.
    """

    inputs: tuple[GraphValue, ...]
    output: str
    rank: int
    pooling: Pooling | None
    embedding_size: int
    vocab_size: int
    context_length: int
    first_position: int = 0
    task: str = "embed"
    separator: int | None = None


def is_encoder(file: OnnxFile) -> bool:
    """Say whether the graph reads tokens and nothing else, and has an output for a text's vector or a pair's scores."""
    known = "input_ids" in file.inputs and set(file.inputs) <= set(INPUTS)
    return known and (_is_scorer(file) or (_SCORES not in file.outputs and next(_outputs(file), None) is not None))


def _is_scorer(file: OnnxFile) -> bool:
    return _SCORES in file.outputs and len(file.outputs[_SCORES].shape) == 2


def read_encoder(folder: OnnxFolder) -> EmbeddingGraph:
    """Choose the output and how it is pooled. Raises: ModelError naming what the configuration lacks."""
    file = folder.file
    scores = _is_scorer(file)
    output = file.outputs[_SCORES] if scores else next(_outputs(file))
    rank = len(output.shape)
    ours = "jan_ort.graph" in file.metadata
    context_length = folder.written_context_length() if ours else _text_length(folder)
    pooled = ours or scores
    return EmbeddingGraph(
        inputs=tuple(file.inputs.values()),
        output=output.name,
        rank=rank,
        pooling=None if pooled else _pooling(folder, output),
        embedding_size=_num_scores(folder, output) if scores else _size(folder, output),
        vocab_size=_vocab_size(folder),
        context_length=context_length,
        first_position=0 if ours else first_position(folder.config),  # our tables have no rows before it
        task="rerank" if scores else "embed",
        separator=read_separator(folder.path) if scores and "token_type_ids" in file.inputs else None,
    )


def _text_length(folder: OnnxFolder) -> int:
    stated = folder.text_length or folder.bare_length(BARE_CONTEXT_LENGTH["embed"])
    positions = folder.file.tables.positions
    return min(stated, positions.num_rows - first_position(folder.config)) if positions else stated


def _outputs(file: OnnxFile) -> Iterator[GraphValue]:
    """Yield what may be the vectors, the likeliest first; of several unnamed ones a text, the last."""
    values = [value for value in file.outputs.values() if value.dtype in _FLOATS]
    yield from (value for value in values if value.name in _POOLED and len(value.shape) == 2)
    yield from (value for value in values if value.name in HIDDEN and len(value.shape) == 3)
    yield from (value for value in reversed(values) if len(value.shape) == 2 and value.name != "pooler_output")
    yield from (value for value in values if len(value.shape) == 3)


def _pooling(folder: OnnxFolder, output: GraphValue) -> Pooling:
    """Return what is done with an output that is not finished; one without its name may lack modules behind pooling."""
    if len(output.shape) == 3:
        return Pooling.read(folder.path)
    named = output.name in _POOLED or not (folder.path / "modules.json").is_file()
    return Pooling.of_graph(folder.path) if named else replace(Pooling.read(folder.path), mode="graph")


def _num_scores(folder: OnnxFolder, output: GraphValue) -> int:
    size, labels = output.shape[-1], folder.config.get("id2label")
    if isinstance(size, int) and size > 0:
        return size
    return len(labels) if isinstance(labels, dict) and labels else 1


def _size(folder: OnnxFolder, output: GraphValue) -> int:
    size = output.shape[-1]
    if isinstance(size, int) and size > 0:
        return size
    if stated := folder.stated_size("hidden_size", "dim"):
        return stated
    raise ModelError(f"{folder.model_path} does not say the width of {output.name}; add hidden_size to config.json")


def _vocab_size(folder: OnnxFolder) -> int:
    tokens, size = folder.file.tables.tokens, folder.vocab_size or folder.num_tokens()
    if size is None:
        raise ModelError(f"{folder.path / 'config.json'} must hold vocab_size, the number of tokens that the model has")
    return tokens.num_rows if tokens else size
