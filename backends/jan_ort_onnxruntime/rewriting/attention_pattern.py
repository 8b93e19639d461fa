"""Find a layer's attention in a graph: softmax(mask(cap(scale · q · kᵀ))) · v, where k and v are past and new in one.

What is found here by the operators' names is only where to look: what factors, masks and axes are worth is computed
(``small_values.py``), and the whole is proven by logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from jan_ort_onnxruntime.graphs.decoder_graph import CacheTensor
from jan_ort_onnxruntime.rewriting.graph_parts import Node, NotExact

_MAX_STEPS = 12
"""Operators between a product and what it is followed to: what has more is not understood, hostile graphs among it."""

_MAX_CHANGES = 8
"""The same for scores, where all inputs are followed."""

_LAST_TWO_SWAPPED = (0, 1, 3, 2)
_PASSES = {"Cast", "Identity", "Dropout"}
"""In a graph of one type of numbers these change nothing; in another the proof fails."""

_SMALL = {"Constant", "Shape", "Cast", "Sqrt", "Div", "Mul", "Gather", "Slice", "Squeeze", "Unsqueeze", "Pow"}


@dataclass(frozen=True, slots=True)
class Factor:
    """A number that something is multiplied with, or divided by."""

    name: str
    divides: bool


@dataclass(frozen=True, slots=True)
class Mask:
    """``kind``: "add" hides what is far below 0, "keep" what is not true, "hide" what is; the last two by ``fill``."""

    name: str
    kind: str
    fill: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """What one side of a product is made of: the tensor behind factors, transposition and repetition of heads."""

    name: str
    factors: tuple[Factor, ...] = ()
    is_swapped: bool = False
    axes: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scores:
    """The product of queries and keys, and what is done to it, in the order of computing."""

    product: Node
    factors: tuple[Factor, ...] = ()
    cap: Factor | None = None
    cap_back: Factor | None = None
    masks: tuple[Mask, ...] = ()


@dataclass(frozen=True, slots=True)
class Attention:
    """One layer's attention. ``query``, ``key`` and ``value`` name the new tokens' tensors; ``output`` the result.

    All are ``(batch, heads, sequence, head_dim)``. ``axes`` are those along which heads are repeated.
    """

    query: str
    key: str
    value: str
    output: Node
    caches: tuple[CacheTensor, CacheTensor]
    factors: tuple[Factor, ...]
    cap: Factor | None
    cap_back: Factor | None
    masks: tuple[Mask, ...]
    axes: tuple[str | int, ...]


def find_attention(nodes: Mapping[str, Node], caches: tuple[CacheTensor, ...]) -> list[Attention]:
    """Return the attention over each pair of caches. ``nodes``: by the names that they compute. Raises: NotExact."""
    new = {cache.present: _new_tokens(nodes, cache) for cache in caches}
    places = {cache.present: cache for cache in caches}
    found = []
    for node in {id(node): node for node in nodes.values() if node.op_type == "MatMul"}.values():
        scores = _scores_behind_softmax(nodes, node.inputs[0])
        if scores is not None:
            found.append(_attention(nodes, node, scores, places, new))
    if sorted(cache.present for each in found for cache in each.caches) != sorted(new):
        raise NotExact("not every layer has an attention that is understood")
    return found


def _new_tokens(nodes: Mapping[str, Node], cache: CacheTensor) -> str:
    """Return what is appended to a cache."""
    node = nodes.get(cache.present)
    if node is None or node.op_type != "Concat" or len(node.inputs) != 2 or node.inputs[0] != cache.past:
        raise NotExact(f"{cache.present} is not {cache.past} with what is new behind it")
    if node.numbers("axis") not in ((2,), (-2,)):
        raise NotExact(f"{cache.present} grows along another axis than its positions")
    return node.inputs[1]


def _attention(
    nodes: Mapping[str, Node], node: Node, scores: Scores, places: Mapping[str, CacheTensor], new: Mapping[str, str]
) -> Attention:
    ends = frozenset(places)
    query = _product(nodes, scores.product.inputs[0], ends, repeats=False)
    key, value = (_product(nodes, name, ends) for name in (scores.product.inputs[1], node.inputs[1]))
    if key.name not in ends or value.name not in ends or not key.is_swapped or value.is_swapped or value.factors:
        raise NotExact("an attention takes its keys or values not from the cache, or in another form")
    return Attention(
        query=query.name,
        key=new[key.name],
        value=new[value.name],
        output=node,
        caches=(places[key.name], places[value.name]),
        factors=(*scores.factors, *query.factors, *key.factors),
        cap=scores.cap,
        cap_back=scores.cap_back,
        masks=scores.masks,
        axes=(*key.axes, *value.axes),
    )


def _scores_behind_softmax(nodes: Mapping[str, Node], name: str) -> Scores | None:
    """Return the scores whose softmax over all positions this is; None if it is no softmax of a product."""
    for _ in range(_MAX_STEPS):
        node = nodes.get(name)
        if node is None:
            return None
        if node.op_type == "Softmax":
            return _scores(nodes, node.inputs[0]) if node.numbers("axis") in ((-1,), (3,)) else None
        if node.op_type == "Where":  # rows that see nothing are made 0
            asked = nodes.get(node.inputs[0])
            if asked is None or asked.op_type != "IsNaN" or asked.inputs[0] != node.inputs[2]:
                return None
        elif node.op_type not in _PASSES:
            return None
        name = node.inputs[-1] if node.op_type == "Where" else node.inputs[0]
    return None


def _scores(nodes: Mapping[str, Node], name: str, steps: int = _MAX_CHANGES) -> Scores | None:
    """Follow the scores back to the product of queries and keys; None where this name is none of them."""
    node = nodes.get(name)
    if node is None or not steps:
        return None
    if node.op_type == "MatMul":
        return Scores(node)
    if node.op_type in _PASSES:
        return _scores(nodes, node.inputs[0], steps - 1)
    if node.op_type == "Tanh":
        return _capped(_scores(nodes, node.inputs[0], steps - 1))
    if node.op_type in ("Mul", "Div", "Add", "Where"):
        found = ((place, _scores(nodes, each, steps - 1)) for place, each in enumerate(node.inputs))
        return next((_changed(node, place, scores) for place, scores in found if scores is not None), None)
    return None


def _capped(scores: Scores | None) -> Scores | None:
    """Return the scores whose last factor is the bound of a hyperbolic tangent."""
    if scores is None or scores.masks or scores.cap or not scores.factors:
        return None
    return replace(scores, factors=scores.factors[:-1], cap=scores.factors[-1])


def _changed(node: Node, place: int, scores: Scores) -> Scores | None:
    """Return ``scores`` with what ``node`` does to them, they being its input ``place``."""
    if node.op_type == "Where":
        if place == 0:
            return None
        mask = Mask(node.inputs[0], "keep" if place == 1 else "hide", node.inputs[3 - place])
        return replace(scores, masks=(*scores.masks, mask))
    other = node.inputs[1 - place]
    if node.op_type == "Add":
        return replace(scores, masks=(*scores.masks, Mask(other, "add")))
    if scores.masks or (node.op_type == "Div" and place == 1):
        return None
    factor = Factor(other, divides=node.op_type == "Div")
    if scores.cap and not scores.cap_back:
        return replace(scores, cap_back=factor)
    return replace(scores, factors=(*scores.factors, factor))


def _product(nodes: Mapping[str, Node], name: str, ends: frozenset[str], *, repeats: bool = True) -> Product:
    """Follow one side of a product back to a name of ``ends``, or as far as it is only scaled."""
    factors: list[Factor] = []
    axes: list[str | int] = []
    is_swapped = False
    for _ in range(_MAX_STEPS):
        node = nodes.get(name)
        if name in ends or node is None:
            break
        if node.op_type == "Transpose" and repeats and node.numbers("perm") == _LAST_TWO_SWAPPED:
            is_swapped = not is_swapped
        elif node.op_type == "Unsqueeze" and repeats:
            axes += node.inputs[1:] or node.numbers("axes")
        elif node.op_type in ("Mul", "Div") and (inner := _scaled(nodes, node)) is not None:
            factors.append(inner[1])
            name = inner[0]
            continue
        elif not (node.op_type in _PASSES or (repeats and node.op_type in ("Reshape", "Expand", "Tile"))):
            break
        name = node.inputs[0]
    return Product(name, tuple(factors), is_swapped, tuple(axes))


def _scaled(nodes: Mapping[str, Node], node: Node) -> tuple[str, Factor] | None:
    """Return what a node scales and by which factor; None if it does not look like that."""
    for place in (0, 1) if node.op_type == "Mul" else (0,):
        other = node.inputs[1 - place]
        if is_small(nodes, other) and not is_small(nodes, node.inputs[place]):
            return node.inputs[place], Factor(other, divides=node.op_type == "Div")
    return None


def is_small(nodes: Mapping[str, Node], name: str) -> bool:
    """Say whether a name is computed of constants and of shapes alone, by few operators."""
    return all(node is not None and node.op_type in _SMALL for node in behind(nodes, [name]))


def behind(nodes: Mapping[str, Node], names: list[str]) -> Iterator[Node | None]:
    """Yield the nodes that compute ``names`` from shapes, None for each name that no node computes."""
    seen, left = set(), list(names)
    while left:
        name = left.pop()
        if not name or name in seen:
            continue
        seen.add(name)
        node = nodes.get(name)
        yield node
        if node is not None and node.op_type != "Shape":
            left += node.inputs
