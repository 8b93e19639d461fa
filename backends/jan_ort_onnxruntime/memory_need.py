"""How much of the host's memory a model folder would take, from its graph's own words and its files' sizes.

Measured on SmolLM2-135M with full slots, resident memory of the process beyond that of the imported runtime: 8 bits
within 2 % of the estimate, 4 bits 4 %, float16 (which a CPU computes from copies in float32) 4 %.
"""

from __future__ import annotations

import math
from pathlib import Path

from jan_ort_backends import OpenOptions
from jan_ort_backends.memory import MemoryNeed
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.embedding_graph import EmbeddingGraph
from jan_ort_onnxruntime.graphs.generation_graph import STATE_PLACES, GenerationGraph, num_checkpoints
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder
from jan_ort_onnxruntime.graphs.recognition import read_graph
from jan_ort_onnxruntime.images.image_parts import read_image_parts
from jan_ort_onnxruntime.providers.proven_opening import comes_first
from jan_ort_onnxruntime.providers.provider_table import CPU
from jan_ort_onnxruntime.session_settings import SessionSettings

_ITEM_BYTES = {"float32": 4, "float16": 2}
_HALF_GROWTH = 4
"""Weights in float16 over their file: a CPU has few kernels for it, and keeps copies in float32."""

_WORKING_BYTES = 2**26
_WORKING_SHARE = 20
"""A step's arrays grow with the model: a twentieth of its weights, at 512 tokens a chunk."""

_ENCODER_BYTES = 2**24


def memory_need(model_dir: Path, options: OpenOptions) -> MemoryNeed | None:
    """Return what the session takes when every slot is full; None where a device with memory of its own comes first."""
    if not comes_first(CPU, SessionSettings.parse(options.extra).provider):
        return None
    folder = OnnxFolder.read(model_dir)
    graph, weights = read_graph(folder), _weights_bytes(folder.file)
    if (images := read_image_parts(folder, graph)) is not None:
        weights += _weights_bytes(images.vision) + _weights_bytes(images.embed)
    if isinstance(graph, EmbeddingGraph):
        return MemoryNeed(weights, 0, _ENCODER_BYTES)
    is_half = graph.cache_dtype == "float16" and isinstance(graph, GenerationGraph)
    length = options.context_length or graph.context_length
    return MemoryNeed(
        weights * (_HALF_GROWTH if is_half else 1),
        _cache_bytes(graph, length, options.num_slots),
        _WORKING_BYTES + weights // _WORKING_SHARE,
    )


def _weights_bytes(file: OnnxFile) -> int:
    places = (file.path, *(file.path.parent / name for name in file.external_files))
    return sum(path.stat().st_size for path in places)


def _cache_bytes(graph: GenerationGraph | DecoderGraph, length: int, num_slots: int) -> int:
    """Return the KV cache of all slots; a graph that returns its cache longer has one sequence's twice for a moment."""
    item = _ITEM_BYTES[graph.cache_dtype]
    if isinstance(graph, GenerationGraph):
        cached = sum(math.prod(shape) for shape in graph.cache_shapes(num_slots, length))
        return cached * item + num_slots * graph.state_bytes * (STATE_PLACES + (graph.num_checkpoints or 0))
    position = sum(cache.num_heads * cache.head_dim for cache in graph.caches) * item
    state = sum(state.num_bytes for state in graph.states)
    states = state * (num_slots * (1 + (num_checkpoints(state) or 0)) + 1)
    return states + position * length * (num_slots if graph.appends_in_place else num_slots + 1)
