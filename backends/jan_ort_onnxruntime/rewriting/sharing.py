"""The way of a decoder that concatenates its cache to one that shares a buffer, or why it does not go that way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_backends import Session, SlotTokens
from jan_ort_onnxruntime.graphs.decoder_graph import CacheTensor, DecoderGraph
from jan_ort_onnxruntime.providers.proof import relative_difference
from jan_ort_onnxruntime.rewriting.attention_pattern import Attention, Factor, find_attention
from jan_ort_onnxruntime.rewriting.graph_parts import GraphParts, NotExact, make_node, make_value
from jan_ort_onnxruntime.rewriting.masks import find_window
from jan_ort_onnxruntime.rewriting.shared_attention import Measured, rewrite
from jan_ort_onnxruntime.rewriting.small_values import (
    Given,
    Shapes,
    SmallValues,
    inputs_with_cache,
    load,
    probe_shapes,
    run,
)

NUM_PROOF_TOKENS = 24
"""The tokens of the proof, from all over the vocabulary."""

MAX_DIFFERENCE = 1e-3
"""Of the rewritten graph's logits to the original's, relative to their spread."""

_TOGETHER = (9, 8)
"""The lengths of two prompts that share a run."""

MAX_CONTEXT_LENGTH = 2**20
"""Masks are computed up to the context's end."""

_SHAPE = "jan_ort.shape."
_HEADS, _POSITIONS, _SIZE = 1, 2, 3
_SOME_PLACES = ((1, 0), (4, 0), (1, 9), (5, 7))


@dataclass(frozen=True, slots=True)
class SharingGraph:
    """A rewritten graph: ``content`` is its file, ``decoder`` how it is fed.

    ``logits`` are the original's of ``token_ids``, float32 ``(tokens, vocab_size)``: what the new one is to compute.
    """

    content: bytes
    decoder: DecoderGraph
    token_ids: NDArray[np.int64]
    logits: NDArray[np.float32]

    def proven(self, session: Session) -> Session:
        """Return ``session`` if it computes the original's logits, in any company. Raises: NotExact, and closes it."""
        try:
            num_tokens = min(len(self.token_ids), session.info.context_length)
            found = session.step([SlotTokens(0, self.token_ids[:num_tokens], num_tokens)]).logits
            difference = relative_difference(self.logits[:num_tokens], found)
            if not difference <= MAX_DIFFERENCE:
                raise NotExact(f"its logits would differ by {difference:.2g} of their spread")
            session.truncate(0, 0)
            if session.info.num_slots > 1 and num_tokens > sum(_TOGETHER):
                _check_company(session, self.token_ids)
        except BaseException:
            session.close()
            raise
        return session


def share_cache(
    path: Path, graph: DecoderGraph, threads: int, *, given: Given = np.asarray, measures_cache: bool = False
) -> SharingGraph:
    """Rewrite the decoder in ``path``, whose weights are loaded once for that. Raises: NotExact saying why not.

    ``given`` makes of token ids what the graph takes. ``measures_cache``: the graph is asked how many heads its cache
    has, and of which size, as it does not say it.
    """
    _check_cache(graph)
    try:
        parts = GraphParts.read(path)
    except (ValueError, IndexError) as error:  # what OnnxFile did not look at is damaged
        raise NotExact(f"it is not understood: {error}") from error
    producers = parts.producers()
    found = find_attention(producers, graph.caches)
    positions = _positions(parts)
    values = SmallValues(parts, graph, [*positions, *(name for each in found for name in _asked(each))])
    folder = str(path.resolve().parent)
    session, wanted = _load_probe(parts, found, values.shapes, folder, threads)
    if measures_cache:
        graph = replace(graph, caches=_measured_caches(session, graph, given))
        _check_cache(graph)
    shapes = probe_shapes(session, graph, given, wanted)
    token_ids, logits = _probe_logits(session, graph, given)
    values.load(folder, shapes)
    measured = [(each, _measure(each, values, shapes, graph.context_length)) for each in found]
    new, decoder = rewrite(parts, graph, measured, {name for name in positions if _counts_on(name, values)})
    return SharingGraph(new.written(), decoder, token_ids, logits)


def _check_company(session: Session, token_ids: NDArray[np.int64]) -> None:
    """Compare two sequences together with each alone, to the bit. Raises: NotExact."""
    prompts = dict(enumerate(np.split(token_ids, np.cumsum(_TOGETHER))[: len(_TOGETHER)]))
    alone = [_logits(session, {slot: prompt})[0] for slot, prompt in prompts.items()]
    if not np.array_equal(_logits(session, prompts), alone):
        raise NotExact("a sequence's logits would depend on its company")


def _logits(session: Session, prompts: Mapping[int, NDArray[np.int64]]) -> NDArray[np.float32]:
    """Return the logits after each prompt and after one more token, ``(prompts, 2, vocab_size)``; empty the slots."""
    first = session.step([SlotTokens(slot, prompt) for slot, prompt in prompts.items()]).logits.copy()
    then = session.step([SlotTokens(slot, prompt[-1:]) for slot, prompt in prompts.items()]).logits.copy()
    for slot in prompts:
        session.truncate(slot, 0)
    return np.stack([first, then], axis=1)


def _check_cache(graph: DecoderGraph) -> None:
    if graph.context_length > MAX_CONTEXT_LENGTH:
        raise NotExact(f"its context of {graph.context_length} tokens is longer than {MAX_CONTEXT_LENGTH}")
    names = {f"past_key_values.{layer}.{part}" for layer in range(len(graph.caches) // 2) for part in ("key", "value")}
    if graph.states or {cache.past for cache in graph.caches} != names:
        raise NotExact("its cache has names or states of its own")
    if any(cache.present != cache.past.replace("past_key_values", "present") for cache in graph.caches):
        raise NotExact("its cache has names of its own")
    if graph.cache_dtype != "float32" or len({(each.num_heads, each.head_dim) for each in graph.caches}) > 1:
        raise NotExact("its cache is not float32, or not of one shape")


def _asked(attention: Attention) -> Iterator[str]:
    """Yield the names whose values say what an attention does."""
    factors = (*attention.factors, attention.cap, attention.cap_back)
    yield from (factor.name for factor in factors if factor is not None)
    yield from (name for mask in attention.masks for name in (mask.name, mask.fill) if name)
    yield from (axis for axis in attention.axes if isinstance(axis, str))


def _positions(parts: GraphParts) -> list[str]:
    """Return the names that look like positions: a range with a dimension for the batch before it."""
    ranges = {node.outputs[0] for node in parts.nodes if node.op_type == "Range"}
    return [node.outputs[0] for node in parts.nodes if node.op_type == "Unsqueeze" and node.inputs[0] in ranges]


def _counts_on(name: str, values: SmallValues) -> bool:
    """Say whether a name is the positions of the new tokens, ``(1, tokens)``."""
    places = ((values.at(new, past)[name], np.arange(past, past + new)) for new, past in _SOME_PLACES)
    return all(np.array_equal(found, expected[np.newaxis]) for found, expected in places)


def _load_probe(
    parts: GraphParts, found: Sequence[Attention], names: set[str], folder: str, threads: int
) -> tuple[ort.InferenceSession, set[str]]:
    """Load the original with more outputs: the shapes ``names`` and those of each attention, whose names it returns."""
    asked = sorted({name for each in found for name in _ends(each)})
    shapes = [make_node("Shape", [name], [_SHAPE + name]) for name in asked]
    wanted = names | {node.outputs[0] for node in shapes}
    outputs = {**{name: make_value(name, 7, ("rank",)) for name in sorted(wanted)}, **parts.outputs}
    return load(replace(parts, nodes=(*parts.nodes, *shapes), outputs=outputs), folder, threads), wanted


def _measured_caches(session: ort.InferenceSession, graph: DecoderGraph, given: Given) -> tuple[CacheTensor, ...]:
    """Return the caches in the sizes that the graph gives them after one token; what is empty can have any before."""
    presents = [cache.present for cache in graph.caches]
    found = run(session, presents, inputs_with_cache(graph, given(np.zeros(1, np.int64)), 0))
    if any(present.ndim != 4 for present in found):
        raise NotExact("its cache is not (batch, heads, tokens, size)")
    return tuple(
        replace(cache, num_heads=present.shape[_HEADS], head_dim=present.shape[_SIZE])
        for cache, present in zip(graph.caches, found, strict=True)
    )


def _probe_logits(
    session: ort.InferenceSession, graph: DecoderGraph, given: Given
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return some tokens, from all over the vocabulary, with the original's logits."""
    count = min(NUM_PROOF_TOKENS, graph.context_length)
    token_ids = np.arange(1, 1 + count) * graph.vocab_size // (1 + count)
    (logits,) = run(session, [graph.logits], inputs_with_cache(graph, given(token_ids), 0))
    if logits.dtype != np.float32 or logits.shape != (1, count, graph.vocab_size):
        raise NotExact("its logits are not float32, or not those of every position")
    return token_ids, logits[0]


def _ends(attention: Attention) -> tuple[str, ...]:
    return attention.query, attention.key, attention.value, attention.output.outputs[0]


def _measure(attention: Attention, values: SmallValues, shapes: Shapes, context_length: int) -> Measured:
    query, key, value, output = (_heads(shapes[_SHAPE + name]) for name in _ends(attention))
    if query != output or key != value or query[1] != key[1] or query[0] % key[0]:
        raise NotExact(f"an attention has queries, keys and values of (heads, size) {query}, {key} and {value}")
    now = values.at(2, 3)
    if any([*np.ravel(now[axis])] != [2] if isinstance(axis, str) else axis != 2 for axis in attention.axes):
        raise NotExact("an attention repeats its heads in another order")
    cap = _number(attention.cap, now) if attention.cap else 0.0
    if attention.cap and (attention.cap_back is None or not np.isclose(_number(attention.cap_back, now) * cap, 1)):
        raise NotExact("an attention bounds its scores in another way")
    return Measured(
        num_heads=query[0],
        num_key_value_heads=key[0],
        head_dim=query[1],
        scale=float(np.prod([_number(factor, now) for factor in attention.factors])),
        cap=1 / cap if cap else 0.0,
        window=find_window(attention.masks, values, context_length),
    )


def _heads(fit: NDArray[np.int64]) -> tuple[int, int]:
    """Return heads and size of a tensor ``(1, heads, new tokens, size)``."""
    if fit.tolist() != [[0, 0, 1], [0, 0, fit[_HEADS, 2]], [1, 0, 0], [0, 0, fit[_SIZE, 2]]] if len(fit) == 4 else True:
        raise NotExact("an attention's tensors are not (batch, heads, tokens, size)")
    return int(fit[_HEADS, 2]), int(fit[_SIZE, 2])


def _number(factor: Factor, values: dict[str, NDArray[Any]]) -> float:
    value = values[factor.name]
    if value.size != 1:
        raise NotExact("an attention is scaled by several numbers")
    number = float(value.reshape(()))
    return 1 / number if factor.divides else number
