"""Which kind of graph a folder has, by its inputs and outputs, and whether this backend runs it."""

from __future__ import annotations

from collections.abc import Iterable

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph, is_decoder, read_decoder
from jan_ort_onnxruntime.graphs.embedding_graph import EmbeddingGraph, is_encoder, read_encoder
from jan_ort_onnxruntime.graphs.generation_graph import (
    GENERATION_INPUTS,
    GenerationGraph,
    is_generation,
    read_generation,
)
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder

Graph = GenerationGraph | DecoderGraph | EmbeddingGraph


def read_graph(folder: OnnxFolder) -> Graph:
    """Recognise the folder's graph by its inputs and outputs, without loading it.

    Raises: ModelError naming a file that is missing or too short, or what was expected of the graph.
    """
    graph = _recognise(folder)
    if missing := folder.file.missing_files():
        raise ModelError(f"{folder.model_path} lacks its weights: {'; '.join(missing)}: convert or download them again")
    return graph


def _recognise(folder: OnnxFolder) -> Graph:
    file = folder.file
    if is_generation(file):
        return read_generation(folder)
    if is_decoder(folder):
        return read_decoder(folder)
    if is_encoder(file):
        return read_encoder(folder)
    raise ModelError(
        f"{file.path} is not a graph that this backend runs: it has inputs {_few(file.inputs)} and outputs "
        f"{_few(file.outputs)}; expected inputs {_few(GENERATION_INPUTS)}, or input_ids and attention_mask, with "
        "past_key_values.N.key and .value for generation, or input_ids and attention_mask alone for embeddings: "
        "convert the model with jan-ort, or export it with past (text-generation-with-past)"
    )


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")
