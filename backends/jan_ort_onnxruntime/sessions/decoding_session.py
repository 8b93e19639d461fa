"""The session of a decoder graph that returns its cache longer: each slot keeps the tensors of its last run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_backends import (
    BackendError,
    DeviceReport,
    OpenOptions,
    Session,
    SessionInfo,
    SlotTokens,
    State,
    StepOutput,
)
from jan_ort_backends.checks import check_batch, check_kind, check_prefix, check_slot
from jan_ort_backends.states import checked_length, pack_state, unpack_state
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.generation_graph import num_checkpoints
from jan_ort_onnxruntime.providers.runtime_failures import running
from jan_ort_onnxruntime.sessions.decoder_arrays import find_largest, inputs_alone
from jan_ort_onnxruntime.sessions.interruption import Interruption
from jan_ort_onnxruntime.sessions.row_tokens import RowTokens, Shifts, shift_array, shifts_of


@dataclass(frozen=True, slots=True)
class _Held:
    """What a slot holds: the first ``length`` positions of ``caches``, which may be longer and are never written to.

    So a fork shares them, and truncating costs nothing until the next step. ``states`` are those at ``length``, and
    ``kept`` those at its checkpoints. ``shifts`` are those of its positions.
    """

    length: int = 0
    caches: tuple[ort.OrtValue, ...] = ()
    states: tuple[ort.OrtValue, ...] = ()
    kept: Mapping[int, tuple[ort.OrtValue, ...]] = field(default_factory=dict)
    shifts: Shifts = ()

    def cut(self, length: int) -> _Held:
        """Return the first ``length`` tokens."""
        if not length:
            return _Held()
        states = self.states if length == self.length else self.kept.get(length, ())
        kept = {at: each for at, each in self.kept.items() if at <= length}
        shifts = tuple(each for each in self.shifts if each[0] <= length)
        return _Held(length, self.caches, states, kept, shifts)

    def with_checkpoint(self, most: int) -> _Held:
        """Return the same with a checkpoint here, and so many of the last ones."""
        kept = dict([*self.kept.items(), (self.length, self.states)][-most:])
        return replace(self, kept=kept)


class DecodingSession(Session):
    """A decoder of optimum's, transformers.js' or genai's making.

    Each row of a step is a run of its own, so a sequence has the same tokens alone and in company, whatever the
    graph's kernels and its side of padding; decoding several sequences together takes as long as one after the other.
    ``has_axes``: positions are of three axes, and what images move them by is a part of a slot.
    """

    has_axes = False

    def __init__(
        self,
        session: ort.InferenceSession,
        graph: DecoderGraph,
        options: OpenOptions,
        device: DeviceReport,
        weights_hash: str,
    ) -> None:
        self._session: ort.InferenceSession | None = session
        self._graph = graph
        presents = [*(cache.present for cache in graph.caches), *(state.present for state in graph.states)]
        self._outputs = [graph.logits, *presents]
        self._held = [_Held()] * options.num_slots
        self._interruption = Interruption()
        self.info = SessionInfo(
            vocab_size=graph.vocab_size,
            context_length=options.context_length or graph.context_length,
            num_slots=options.num_slots,
            embedding_size=0,
            device=device,
            weights_hash=weights_hash,
            num_checkpoints=num_checkpoints(sum(state.num_bytes for state in graph.states)),
        )

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run each row; what the slots hold changes only when all of it succeeded."""
        lengths = [held.length for held in self._held]
        check_batch(batch, lengths, self.info)
        check_kind(batch, lengths)
        with self._interruption.step() as run_options, running():
            results = [self._run_row(row, run_options) for row in batch]
        logits = np.concatenate([rows for rows, _ in results])
        output = StepOutput(logits, *find_largest(logits))
        most = self.info.num_checkpoints
        for row, (_, held) in zip(batch, results, strict=True):
            self._held[row.slot] = held.with_checkpoint(most) if row.keep and most else held
        return output

    def _run_row(self, row: SlotTokens, run_options: ort.RunOptions) -> tuple[NDArray[np.float32], _Held]:
        """Return the logits that ``row`` wants and what its slot will hold."""
        held = self._held[row.slot]
        tokens = self._tokens(row, held.length, held.shifts, run_options)
        logits, held = self._run(held, tokens, row.num_logits, run_options)
        if len(logits) < row.num_logits:  # a graph that computes only the last position's
            return self._run_each(row, tokens, run_options)
        return logits[len(logits) - row.num_logits :], held

    def _tokens(self, row: SlotTokens, past: int, shifts: Shifts, run_options: ort.RunOptions) -> RowTokens:
        """Return a row's tokens as the graph takes them, after ``past``."""
        return RowTokens.counted(row.token_ids, past)

    def _run_each(
        self, row: SlotTokens, tokens: RowTokens, run_options: ort.RunOptions
    ) -> tuple[NDArray[np.float32], _Held]:
        """Run the wanted positions one by one, after the others together."""
        held, length = self._held[row.slot], len(tokens.values)
        first = length - row.num_logits
        chunks = [tokens.part(0, first)] if first else []
        chunks += [tokens.part(index, index + 1) for index in range(first, length)]
        rows = []
        for chunk in chunks:
            logits, held = self._run(held, chunk, 1, run_options)
            rows.append(logits[-1:])
        return np.concatenate(rows[len(rows) - row.num_logits :]), held

    def _run(
        self, held: _Held, tokens: RowTokens, num_logits: int, run_options: ort.RunOptions
    ) -> tuple[NDArray[np.float32], _Held]:
        """Run the graph on one sequence; the logits are those that it returned, float32 ``(n, vocab_size)``."""
        arrays = inputs_alone(self._graph, tokens, held.length, num_logits)
        feeds = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in arrays.items()}
        feeds |= {tensor.past: past for tensor, past in zip(self._graph.caches, self._pasts(held), strict=True)}
        feeds |= {state.past: past for state, past in zip(self._graph.states, self._past_states(held), strict=True)}
        assert self._session is not None  # the server does not step a closed session
        outputs = self._session.run_with_ort_values(self._outputs, feeds, run_options)
        length = held.length + len(tokens.values)
        caches, states = outputs[1 : 1 + len(self._graph.caches)], outputs[1 + len(self._graph.caches) :]
        for tensor, present in zip(self._graph.caches, caches, strict=True):
            if present.shape()[2] != length:
                raise BackendError(
                    f"{tensor.present} holds {present.shape()[2]} positions after {length} tokens; a graph that "
                    "forgets some in this way cannot be run here: export the model with a cache of all positions"
                )
        *_, width = outputs[0].shape()
        if width != self.info.vocab_size:  # another width may divide it, and give rows that are none
            raise BackendError(
                f"{self._graph.logits} has {width} numbers a token, and vocab_size {self.info.vocab_size}"
            )
        logits = outputs[0].numpy().reshape(-1, width).astype(np.float32, copy=False)
        return logits, _Held(length, tuple(caches), tuple(states), held.kept, tokens.shifts)

    def _pasts(self, held: _Held) -> tuple[ort.OrtValue, ...]:
        """Return the caches of exactly ``held.length`` positions."""
        dtype = np.dtype(self._graph.cache_dtype)
        if held.length == 0:
            shapes = [(1, tensor.num_heads, 0, tensor.head_dim) for tensor in self._graph.caches]
            return tuple(ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, dtype)) for shape in shapes)
        if not held.caches or held.caches[0].shape()[2] == held.length:
            return held.caches
        arrays = (np.ascontiguousarray(cache.numpy()[:, :, : held.length]) for cache in held.caches)
        return tuple(ort.OrtValue.ortvalue_from_numpy(array) for array in arrays)

    def _past_states(self, held: _Held) -> tuple[ort.OrtValue, ...]:
        if held.length:
            return held.states
        zeros = (np.zeros((1, *state.shape), np.dtype(state.dtype)) for state in self._graph.states)
        return tuple(ort.OrtValue.ortvalue_from_numpy(each) for each in zeros)

    def length(self, slot: int) -> int:
        """Return the number of tokens in ``slot``."""
        check_slot("slot", slot, self.info.num_slots)
        return self._held[slot].length

    def truncate(self, slot: int, length: int) -> None:
        """Forget the tokens from ``length`` on; the memory is freed by the next step, or at once if none is left."""
        self._check_cut(slot, length)
        self._held[slot] = self._held[slot].cut(length)

    def fork(self, source: int, target: int, length: int) -> None:
        """Share the tensors of ``source``; nothing is copied before one of the two goes on."""
        check_slot("target", target, self.info.num_slots)
        self._check_cut(source, length)
        self._held[target] = self._held[source].cut(length)

    @property
    def can_save(self) -> bool:
        """Whether slots can be saved; not where a window's keys and values grow until it is full."""
        return not any(state.window for state in self._graph.states)

    def save(self, slot: int) -> State:
        """Copy the caches of a slot, and the states at its length."""
        held = self._held[slot] if self.length(slot) else _Held()
        arrays = [cache.numpy()[:, :, : held.length] for cache in held.caches]
        arrays += [state.numpy() for state in held.states]
        arrays += [shift_array(held.shifts, held.length)] if self.has_axes and held.length else []
        return pack_state(self.info.state_key, held.length, arrays)

    def load(self, slot: int, state: State) -> None:
        """Let the slot hold what was saved."""
        length = checked_length(state, self.info.state_key, self.info.context_length)
        check_slot("slot", slot, self.info.num_slots)
        shapes = [((1, each.num_heads, length, each.head_dim), self._graph.cache_dtype) for each in self._graph.caches]
        states = [((1, *each.shape), each.dtype) for each in self._graph.states]
        shifts: list[tuple[tuple[int, ...], str]] = [((length,), "int32")] if self.has_axes else []
        specs = [(np.dtype(dtype), shape) for shape, dtype in (*shapes, *states, *shifts)]
        arrays = unpack_state(state, specs if length else [])
        told = shifts_of(arrays.pop()) if self.has_axes and length else ()
        values = tuple(ort.OrtValue.ortvalue_from_numpy(array.copy()) for array in arrays)
        num_caches = len(self._graph.caches)
        self._held[slot] = _Held(length, values[:num_caches], values[num_caches:], shifts=told)

    def _check_cut(self, slot: int, length: int) -> None:
        held = self.length(slot)
        check_prefix(slot, length, held, self._held[slot].kept if self._graph.states else None)

    def interrupt(self) -> None:
        """End the running step within a node's time; between steps, do nothing."""
        self._interruption.interrupt()

    def close(self) -> None:
        """Free the weights and the caches."""
        self._session = None
        self._held = []
