"""Write a graph whose attention is GroupQueryAttention over one buffer for all sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.onnx_file import GraphValue
from jan_ort_onnxruntime.rewriting.attention_pattern import Attention
from jan_ort_onnxruntime.rewriting.graph_parts import (
    MICROSOFT,
    GraphParts,
    Node,
    NotExact,
    make_node,
    make_numbers,
    make_value,
)

POSITIONS = "position_ids"
_LENGTHS = {
    "seqlens_k": GraphValue("seqlens_k", "int32", ("batch_size",)),
    "total_sequence_length": GraphValue("total_sequence_length", "int32", ()),
}
_INT32, _INT64 = 6, 7
_HEADS_FIRST = [0, 2, 1, 3]
_PACKED = "jan_ort.packed_heads"

_MIXES_ROWS = {"ReduceMax", "ReduceMin", "DynamicQuantizeLinear", "com.microsoft.DynamicQuantizeMatMul", "NonZero"}
"""Operators whose result for a sequence depends on what else is in its run: the scale of all rows' activations."""

_KNOWN_ROLES = {"input_ids", "inputs_embeds", "attention_mask", POSITIONS, "num_logits_to_keep", *_LENGTHS}


@dataclass(frozen=True, slots=True)
class Measured:
    """What one layer's attention is worth: all that GroupQueryAttention is told as numbers."""

    num_heads: int
    num_key_value_heads: int
    head_dim: int
    scale: float
    cap: float
    window: int | None


def rewrite(
    parts: GraphParts, graph: DecoderGraph, found: Sequence[tuple[Attention, Measured]], positions: Set[str]
) -> tuple[GraphParts, DecoderGraph]:
    """Return the graph with its layers' attention put in place of what was found, and how it is fed.

    ``positions``: names that are the positions of the new tokens, ``(1, tokens)``, and are now an input.
    Raises: NotExact if something else uses the cache, or if a sequence's values would depend on its company.
    """
    own = {id(attention.output): list(_nodes(attention, measured)) for attention, measured in found}
    gone = {cache.present for attention, _ in found for cache in attention.caches}
    given = dict.fromkeys(positions, graph.inputs[POSITIONS].name if POSITIONS in graph.inputs else POSITIONS)
    nodes = [
        new
        for node in parts.nodes
        if not gone & set(node.outputs) and not given.keys() & set(node.outputs)
        for new in own.get(id(node), [node])
    ]
    live = _live([_renamed(node, given) for node in nodes], parts.outputs)
    _check(live, graph, gone)
    shapes = {_PACKED: make_numbers(_PACKED, [0, 0, -1])}
    shapes |= {
        _unpacked(each): make_numbers(_unpacked(each), [0, 0, each.num_heads, each.head_dim]) for _, each in found
    }
    fed = _fed(live, graph)
    inputs = {name: value for name, value in parts.inputs.items() if name in _read(live)}
    inputs |= {value.name: _value(value) for value in fed.inputs.values() if value.name not in parts.inputs}
    return replace(parts, nodes=tuple(live), weights={**parts.weights, **shapes}, inputs=inputs), fed


def _nodes(attention: Attention, measured: Measured) -> Iterator[Node]:
    """Yield what computes the attention's output: heads are packed for the operator, and unpacked again."""
    name = f"jan_ort.{attention.caches[0].present}"
    packed = []
    for part in ("query", "key", "value"):
        turned, flat = f"{name}.{part}.turned", f"{name}.{part}.packed"
        yield make_node("Transpose", [getattr(attention, part)], [turned], perm=_HEADS_FIRST)
        yield make_node("Reshape", [turned, _PACKED], [flat])
        packed.append(flat)
    key, value = attention.caches
    window = {} if measured.window is None else {"local_window_size": measured.window}
    yield make_node(
        "GroupQueryAttention",
        [*packed, key.past, value.past, *(each.name for each in _LENGTHS.values())],
        [f"{name}.output", key.present, value.present],
        MICROSOFT,
        num_heads=measured.num_heads,
        kv_num_heads=measured.num_key_value_heads,
        scale=measured.scale,
        softcap=measured.cap,
        do_rotary=0,
        **window,
    )
    yield make_node("Reshape", [f"{name}.output", _unpacked(measured)], [f"{name}.heads"])
    yield make_node("Transpose", [f"{name}.heads"], attention.output.outputs, perm=_HEADS_FIRST)


def _unpacked(measured: Measured) -> str:
    return f"jan_ort.{measured.num_heads}_heads_of_{measured.head_dim}"


def _renamed(node: Node, given: Mapping[str, str]) -> Node:
    """Return the node with names of positions replaced by the input's."""
    if not given.keys() & set(node.inputs):
        return node
    return node.reading([given.get(name, name) for name in node.inputs])


def _live(nodes: list[Node], outputs: Iterable[str]) -> list[Node]:
    """Return the nodes that ``outputs`` depend on, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            wanted |= set(node.inputs)
            kept.append(node)
    return kept[::-1]


def _read(nodes: Iterable[Node]) -> set[str]:
    return {name for node in nodes for name in node.inputs}


def _check(live: list[Node], graph: DecoderGraph, presents: Set[str]) -> None:
    caches = presents | {cache.past for cache in graph.caches}
    for node in live:
        if node.op_type in _MIXES_ROWS:
            raise NotExact(f"{node.op_type} makes a sequence's values depend on those it is computed with")
        if node.op_type != f"{MICROSOFT}.GroupQueryAttention" and caches & set(node.inputs):
            raise NotExact(f"{node.op_type} uses the cache, too")


def _fed(live: list[Node], graph: DecoderGraph) -> DecoderGraph:
    """Return the graph with the inputs that are left and those that are new."""
    read = _read(live)
    inputs = {role: value for role, value in graph.inputs.items() if value.name in read}
    if POSITIONS in read and POSITIONS not in graph.inputs:
        inputs[POSITIONS] = GraphValue(POSITIONS, "int64", ("batch_size", "sequence_length"))
    if unknown := sorted((inputs.keys() | _LENGTHS.keys()) - _KNOWN_ROLES):
        raise NotExact(f"it needs {', '.join(unknown)}")
    return replace(graph, inputs={**inputs, **_LENGTHS}, appends_in_place=True)


def _value(value: GraphValue) -> bytes:
    return make_value(value.name, _INT64 if value.dtype == "int64" else _INT32, tuple(map(str, value.shape)))
