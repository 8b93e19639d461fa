"""An encoder graph: one vector a text, from the graph or pooled by us."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jan_ort_backends import ModelError
from jan_ort_backends.context_length import BARE_CONTEXT_LENGTH
from jan_ort_onnxruntime.graphs.onnx_file import GraphValue, OnnxFile
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder
from jan_ort_onnxruntime.graphs.pooling import Pooling

INPUTS = ("input_ids", "attention_mask", "token_type_ids")

_POOLED = ("sentence_embedding", "sentence_embeddings", "text_embeds")
_HIDDEN = ("last_hidden_state", "token_embeddings")
_FLOATS = ("float32", "float16")


@dataclass(frozen=True, slots=True)
class EmbeddingGraph:
    """``inputs`` are some of INPUTS; ``pooling`` None: ``output`` holds the finished vectors.

    ``output`` has ``rank`` 2, a vector a text, or 3, a vector a token.
    """

    inputs: tuple[GraphValue, ...]
    output: str
    rank: int
    pooling: Pooling | None
    embedding_size: int
    vocab_size: int
    context_length: int


def is_encoder(file: OnnxFile) -> bool:
    """Say whether the graph reads tokens and nothing else, and has an output that can be a text's vector."""
    known = "input_ids" in file.inputs and set(file.inputs) <= set(INPUTS)
    return known and "logits" not in file.outputs and next(_outputs(file), None) is not None


def read_encoder(folder: OnnxFolder) -> EmbeddingGraph:
    """Choose the output and how it is pooled. Raises: ModelError naming what the configuration lacks."""
    file = folder.file
    output = next(_outputs(file))
    rank = len(output.shape)
    ours = "jan_ort.graph" in file.metadata
    context_length = folder.written_context_length() if ours else folder.text_length
    return EmbeddingGraph(
        inputs=tuple(file.inputs.values()),
        output=output.name,
        rank=rank,
        pooling=None if ours else Pooling.read(folder.path) if rank == 3 else Pooling("graph", _normalizes(folder)),
        embedding_size=_size(folder, output),
        vocab_size=_vocab_size(folder),
        context_length=context_length or folder.bare_length(BARE_CONTEXT_LENGTH["embed"]),
    )


def _outputs(file: OnnxFile) -> Iterator[GraphValue]:
    """Yield what may be the vectors, the likeliest first; of several unnamed ones a text, the last."""
    values = [value for value in file.outputs.values() if value.dtype in _FLOATS]
    yield from (value for value in values if value.name in _POOLED and len(value.shape) == 2)
    yield from (value for value in values if value.name in _HIDDEN and len(value.shape) == 3)
    yield from (value for value in reversed(values) if len(value.shape) == 2 and value.name != "pooler_output")
    yield from (value for value in values if len(value.shape) == 3)


def _normalizes(folder: OnnxFolder) -> bool:
    """A graph that pools may leave normalising out; normalising twice changes nothing."""
    return not (folder.path / "modules.json").is_file() or Pooling.read(folder.path).normalize


def _size(folder: OnnxFolder, output: GraphValue) -> int:
    size = output.shape[-1]
    if isinstance(size, int) and size > 0:
        return size
    if stated := folder.stated_size("hidden_size", "dim"):
        return stated
    raise ModelError(f"{folder.model_path} does not say the width of {output.name}; add hidden_size to config.json")


def _vocab_size(folder: OnnxFolder) -> int:
    size = folder.vocab_size or folder.num_tokens()
    if size is None:
        raise ModelError(f"{folder.path / 'config.json'} must hold vocab_size, the number of tokens that the model has")
    return size
