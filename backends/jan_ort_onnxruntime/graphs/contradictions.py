"""Where a folder's files state another size than its graph has: the graph's own is used, and the statement is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jan_ort_backends.context_length import SENTENCE_CONFIGS, first_position
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.embedding_graph import HIDDEN, EmbeddingGraph
from jan_ort_onnxruntime.graphs.onnx_file import GraphValue
from jan_ort_onnxruntime.graphs.onnx_folder import DESCRIPTION_FILE, OnnxFolder, read_json
from jan_ort_onnxruntime.graphs.recognition import Graph

_LENGTH_KEYS = ("max_seq_length", "context_length", "max_position_embeddings", "n_positions", "max_seq_len")
_HEADS, _HEAD_DIM = ("num_key_value_heads",), ("head_size", "head_dim")
_POOLED_SIZE, _POOLING_FILE = ("word_embedding_dimension", "embedding_dimension"), "1_Pooling/config.json"
_FILES = ("genai_config.json", "config.json", *SENTENCE_CONFIGS, "tokenizer_config.json", DESCRIPTION_FILE)
_PARTS = ("model", "decoder", "text_config")
_UNEVEN = ("kv_lora_rank", "global_head_dim", "num_kv_shared_layers")
"""Keys of models whose layers keep something else than the usual sizes say."""


class _Size(NamedTuple):
    """What a folder states under one of ``keys``, and what ``place`` in the graph has."""

    keys: tuple[str, ...]
    stated: int | None
    found: object
    place: str


def contradictions(folder: OnnxFolder, graph: Graph) -> Iterator[str]:
    """Say for each size that the folder's files state otherwise than the graph: who states what, and what to do."""
    yield from _told(folder, _sizes(folder, graph))


def cache_contradictions(folder: OnnxFolder, stated: DecoderGraph, measured: DecoderGraph) -> Iterator[str]:
    """Say the same of a cache whose size only a run tells."""
    before, after = stated.caches[0], measured.caches[0]
    heads = _Size(_HEADS, before.num_heads, after.num_heads, f"output {after.present}")
    yield from _told(folder, [heads, _Size(_HEAD_DIM, before.head_dim, after.head_dim, f"output {after.present}")])


def sizes_of_configuration(folder: OnnxFolder, graph: Graph) -> list[str]:
    """Return the sizes that the graph leaves open, so that only the folder's configuration says them."""
    if isinstance(graph, EmbeddingGraph):
        name = "hidden_size" if graph.task == "embed" else "length of id2label"
        is_open = not isinstance(folder.file.outputs[graph.output].shape[-1], int)
        return [f"{name} {graph.embedding_size}"] if is_open else []
    if not isinstance(graph, DecoderGraph):
        return []
    logits, caches = folder.file.outputs[graph.logits], [folder.file.inputs[cache.past] for cache in graph.caches]
    stated = [f"vocab_size {graph.vocab_size}"] if not isinstance(logits.shape[-1], int) else []
    for axis, name in ((1, "num_key_value_heads"), (3, "head_size")):
        if any(not isinstance(value.shape[axis], int) for value in caches):
            stated.append(f"{name} {graph.caches[0].num_heads if axis == 1 else graph.caches[0].head_dim}")
    return stated


def _told(folder: OnnxFolder, sizes: Iterable[_Size]) -> Iterator[str]:
    for size in sizes:
        if size.stated is not None and isinstance(size.found, int) and size.stated != size.found:
            yield (
                f"{folder.path} states {_statement(folder, size)}, and {size.place} of its graph has {size.found}, "
                "which is used: correct the file, or take the graph that belongs to it"
            )


def _sizes(folder: OnnxFolder, graph: Graph) -> Iterator[_Size]:
    if isinstance(graph, EmbeddingGraph):
        yield from _of_encoder(folder, graph)
        yield from _positions(folder, folder.text_length, graph.first_position)
    elif isinstance(graph, DecoderGraph):
        yield from _of_decoder(folder, graph)
        yield from _positions(folder, folder.context_length, 0)


def _positions(folder: OnnxFolder, stated: int | None, first: int) -> Iterator[_Size]:
    """Yield the context length where it ends behind the table of positions: a shorter one is somebody's wish."""
    table = folder.file.tables.positions
    if table is not None and stated is not None and stated > table.num_rows - first:
        yield _Size((*_LENGTH_KEYS, "model_max_length"), stated, table.num_rows - first, f"the table {table.name}")


def _of_encoder(folder: OnnxFolder, graph: EmbeddingGraph) -> Iterator[_Size]:
    output, tokens = folder.file.outputs[graph.output], folder.file.tables.tokens
    if tokens is not None:
        yield _Size(("vocab_size",), folder.vocab_size, tokens.num_rows, f"the table {tokens.name}")
    if graph.output in HIDDEN:
        keys = ("hidden_size", "dim")
        yield _Size(keys, folder.stated_size(*keys), output.shape[-1], f"output {output.name}")
        pooling = read_json(folder.path / _POOLING_FILE, {})
        sizes = [pooling[key] for key in _POOLED_SIZE if type(pooling.get(key)) is int]
        yield from (_Size(_POOLED_SIZE, size, output.shape[-1], f"output {output.name}") for size in sizes)


def _of_decoder(folder: OnnxFolder, graph: DecoderGraph) -> Iterator[_Size]:
    logits = folder.file.outputs[graph.logits]
    yield _Size(("vocab_size",), folder.vocab_size, _last(logits), f"output {logits.name}")
    if vectors := graph.inputs.get("inputs_embeds"):
        yield _Size(("hidden_size",), folder.stated_size("hidden_size"), _last(vectors), f"input {vectors.name}")
    if not graph.caches or folder.config.keys() & set(_UNEVEN):
        return
    past = folder.file.inputs[graph.caches[0].past]
    for axis, keys in ((1, _HEADS), (3, _HEAD_DIM)):
        yield _Size(keys, folder.stated_size(*keys), past.shape[axis], f"input {past.name}")
    if not graph.states:
        layers = folder.stated_size("num_hidden_layers")
        yield _Size(("num_hidden_layers",), layers, len(graph.caches) // 2, "the cache")


def _last(value: GraphValue) -> object:
    return value.shape[-1] if value.shape else None


def _statement(folder: OnnxFolder, size: _Size) -> str:
    """Return the first statement of that size as ``key value in file``."""
    first = first_position(folder.config)
    for name in (*_FILES, _POOLING_FILE):
        parts = [read_json(folder.path / name, {})]
        for part in _PARTS:
            parts += [each[part] for each in parts if isinstance(each.get(part), dict)]
        for key in size.keys:
            for value in (each.get(key) for each in parts):
                if value in (size.stated, size.stated + first if size.stated else None) and type(value) is int:
                    return f"{key} {value} in {name}"
    return f"{size.keys[0]} {size.stated}"
