"""Compute what a graph derives from the sizes of its inputs alone: masks, factors, positions, without its weights.

The shapes in the middle of the graph, which such values begin with, are known from runs of the whole (``ShapeProbe``):
each dimension is a sum of the new tokens, the past ones and a constant. So a mask of 100,000 positions costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_backends.failure_text import message_line
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.providers.provider_table import CPU_PROVIDER
from jan_ort_onnxruntime.providers.runtime_failures import ORT_ERRORS
from jan_ort_onnxruntime.providers.session_loading import EXTERNAL_FOLDER_ENTRY
from jan_ort_onnxruntime.rewriting.attention_pattern import behind
from jan_ort_onnxruntime.rewriting.graph_parts import GraphParts, NotExact, make_value
from jan_ort_onnxruntime.sessions.decoder_arrays import inputs_alone
from jan_ort_onnxruntime.sessions.row_tokens import RowTokens

Shapes = Mapping[str, NDArray[np.int64]]
"""The outputs of Shape nodes: for each dimension how often the new tokens, the past ones and 1 are in it."""

Given = Callable[[NDArray[np.int64]], NDArray[Any]]
"""What a graph takes of tokens: their ids as they are, or their vectors."""

_INT64 = 7
_FAILURES: tuple[type[Exception], ...] = (*ORT_ERRORS, MemoryError)
_HEAVY = {"MatMul", "Gemm", "Softmax", "com.microsoft.MatMulNBits"}
_FIRST_RUNS = ((2, 3), (3, 3), (2, 5))
"""New and past tokens: their differences are the shares of each in a dimension."""


class SmallValues:
    """The values of some names of a graph, at any number of tokens."""

    def __init__(self, parts: GraphParts, graph: DecoderGraph, names: Iterable[str]) -> None:
        """Take apart what is behind ``names``. Raises: NotExact if it is more than sizes."""
        self._names = sorted(set(names))
        self._graph = graph
        producers = parts.producers()
        needed = {id(node): node for node in behind(producers, self._names) if node is not None}
        self.shapes = {node.outputs[0] for node in needed.values() if node.op_type == "Shape"}
        if heavy := sorted({node.op_type for node in needed.values()} & _HEAVY):
            raise NotExact(f"a mask, factor or position is computed by {', '.join(heavy)}")
        nodes = tuple(node for node in parts.nodes if id(node) in needed and node.op_type != "Shape")
        read = {name for node in nodes for name in node.inputs} | set(self._names)
        inputs = {name: value for name, value in parts.inputs.items() if name in read}
        if pasts := inputs.keys() & {cache.past for cache in graph.caches}:
            raise NotExact(f"a mask, factor or position is computed from {min(pasts)}")
        self._inputs = set(inputs)
        inputs |= {name: make_value(name, _INT64, ("rank",)) for name in sorted(self.shapes)}
        self._parts = replace(
            parts, nodes=nodes, inputs=inputs, outputs={name: make_value(name) for name in self._names}
        )

    def load(self, folder: str, shapes: Shapes) -> None:
        """Make ready to compute. Raises: NotExact if ONNX Runtime cannot."""
        self._fits = shapes
        self._session = load(self._parts, folder)
        self._known: dict[tuple[int, int], dict[str, NDArray[Any]]] = {}

    def at(self, new: int, past: int) -> dict[str, NDArray[Any]]:
        """Return each name's value for ``new`` tokens after ``past``. Raises: NotExact."""
        if (new, past) not in self._known:
            self._known[new, past] = self._computed(new, past)
        return self._known[new, past]

    def _computed(self, new: int, past: int) -> dict[str, NDArray[Any]]:
        fed = inputs_alone(self._graph, RowTokens.counted(np.zeros(new, np.int64), past), past, new)
        feeds = {name: array for name, array in fed.items() if name in self._inputs}
        feeds |= {name: self._fits[name] @ np.array([new, past, 1]) for name in self.shapes}
        return dict(zip(self._names, run(self._session, self._names, feeds), strict=True))


def load(parts: GraphParts, folder: str, threads: int = 1) -> ort.InferenceSession:
    """Load a graph whose large weights are in files of ``folder``. Raises: NotExact."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry(EXTERNAL_FOLDER_ENTRY, folder)
    try:
        return ort.InferenceSession(parts.written(), options, providers=[CPU_PROVIDER])
    except _FAILURES as error:
        raise NotExact(f"ONNX Runtime does not load a part of it: {message_line(error)}") from error


def probe_shapes(session: ort.InferenceSession, graph: DecoderGraph, given: Given, names: Iterable[str]) -> Shapes:
    """Return the fits of the outputs ``names`` of Shape nodes, by runs of a few tokens. Raises: NotExact."""
    names = sorted(names)
    seen = [_run(session, graph, given, names, new, past) for new, past in _FIRST_RUNS]
    fits = {}
    for name, first, more_new, more_past in zip(names, *seen, strict=True):
        by_new, by_past = more_new - first, (more_past - first) // 2
        fits[name] = np.stack([by_new, by_past, first - 2 * by_new - 3 * by_past], axis=1)
    again = _run(session, graph, given, names, 4, 2)
    if any((fits[name] @ np.array([4, 2, 1]) != found).any() for name, found in zip(names, again, strict=True)):
        raise NotExact("its shapes are no sums of the numbers of tokens")
    return fits


def _run(
    session: ort.InferenceSession, graph: DecoderGraph, given: Given, names: list[str], new: int, past: int
) -> list[Any]:
    return run(session, names, inputs_with_cache(graph, given(np.zeros(new, np.int64)), past)) if names else []


def run(session: ort.InferenceSession, names: list[str], feeds: Mapping[str, NDArray[Any]]) -> list[Any]:
    """Return the outputs ``names``. Raises: NotExact."""
    try:
        return list(session.run(names, feeds))
    except _FAILURES as error:
        raise NotExact(f"a part of it does not run alone: {message_line(error)}") from error


def inputs_with_cache(graph: DecoderGraph, values: NDArray[Any], past: int) -> dict[str, NDArray[Any]]:
    """Return all inputs of a sequence of token ids, or vectors, whose past tokens have keys and values of 0."""
    feeds = dict(inputs_alone(graph, RowTokens.counted(values, past), past, len(values)))
    for cache in graph.caches:
        feeds[cache.past] = np.zeros((1, cache.num_heads, past, cache.head_dim), np.float32)
    return feeds
