"""The session of a generation graph: slots over KV rows, steps as runs of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_backends import (
    Capability,
    CountedSession,
    DeviceReport,
    OpenOptions,
    SessionInfo,
    SlotTokens,
    State,
    StepOutput,
    Unsupported,
)
from jan_ort_backends.checks import check_kind, check_slot
from jan_ort_backends.states import pack_state, unpack_state
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph
from jan_ort_onnxruntime.kv.host_kv_cache import HostKVCache
from jan_ort_onnxruntime.kv.kv_rows import KVRows, make_kv_cache
from jan_ort_onnxruntime.kv.slot_rows import SlotRows
from jan_ort_onnxruntime.kv.state_rows import StateRows
from jan_ort_onnxruntime.providers.runtime_failures import running
from jan_ort_onnxruntime.sessions.graph_runner import GraphRunner, StepBuffers, make_runner
from jan_ort_onnxruntime.sessions.interruption import Interruption
from jan_ort_onnxruntime.sessions.step_plan import Run, plan_alone, plan_runs

KEPT_DRAFTS = 16
"""Rows of logits, beyond one for each slot, whose buffers are kept: to get memory of 3 MB takes as long as a token."""


class GenerationSession(CountedSession):
    """A decoder with ``num_slots`` sequences in its KV cache; ``decoder`` None: the graph is of our own making.

    ``shares_runs``: several sequences may be in one run, until the proof finds that the provider confuses them.
    ``pads``: so may first prompts of several lengths.
    """

    shares_runs = True
    pads = True

    def __init__(
        self,
        session: ort.InferenceSession,
        graph: GenerationGraph,
        options: OpenOptions,
        device: DeviceReport,
        weights_hash: str,
        decoder: DecoderGraph | None = None,
        states: StateRows | None = None,
    ) -> None:
        context_length = options.context_length or graph.context_length
        self._graph = graph
        kv_rows = make_kv_cache(session, graph, options.num_slots, context_length)
        self._kv_rows: KVRows | None = kv_rows
        self._runner: GraphRunner | None = make_runner(session, kv_rows, graph, decoder, states)
        self._buffers = StepBuffers(graph, options.num_slots)
        self._rows = SlotRows(options.num_slots)
        self._interruption = Interruption()
        super().__init__(
            SessionInfo(
                vocab_size=graph.vocab_size,
                context_length=context_length,
                num_slots=options.num_slots,
                embedding_size=0,
                device=device,
                weights_hash=weights_hash,
                num_checkpoints=graph.num_checkpoints,
            )
        )

    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run the batch; attention never reads past a row's length, so what a failed run wrote does not count."""
        check_kind(batch, self.lengths)
        runs = self._plan(batch)
        num_logits = sum(row.num_logits for row in batch)
        buffers = self._buffers_for(num_logits)
        assert self._runner is not None  # the server does not step a closed session
        with self._interruption.step() as run_options, running():
            first = 0
            for run in runs:
                self._runner.run(run, buffers, first, run_options)
                first += len(run.logits_rows)
        return _in_batch_order(buffers, [index for run in runs for index in run.output_rows])

    def _buffers_for(self, num_logits: int) -> StepBuffers:
        """Return buffers of so many rows: the same ones, unless that is more than slots with a few drafts have."""
        kept = self.info.num_slots + KEPT_DRAFTS
        if num_logits > kept:
            return StepBuffers(self._graph, num_logits)
        if num_logits > self._buffers.num_rows:
            self._buffers = StepBuffers(self._graph, kept)
        return self._buffers

    def _plan(self, batch: Sequence[SlotTokens]) -> list[Run]:
        """Choose KV rows for slots that start, bring together those that keep decoding together, and plan the runs."""
        assert self._kv_rows is not None  # as in step
        slots = [row.slot for row in batch]
        self._rows.place(slots, self.lengths)
        if self.shares_runs and len(batch) > 1 and all(len(row.token_ids) == 1 for row in batch):
            held = {self._rows.rows[slot]: length for slot, length in enumerate(self.lengths)}
            for outside, inside in self._rows.gather(slots, self.lengths):
                with running():
                    self._kv_rows.swap(outside, inside, held[outside], held[inside])
                self.swap_states(outside, inside)
                self._rows.exchange(outside, inside)
        rows, context_length = self._rows.rows, self.info.context_length
        return plan_runs(batch, rows, self.lengths, context_length, shares_runs=self.shares_runs, pads=self.pads)

    def swap_states(self, first_row: int, second_row: int) -> None:
        """Swap what else two KV rows hold."""

    def fork(self, source: int, target: int, length: int) -> None:
        """Copy the keys and values of the first ``length`` tokens; if that fails, ``target`` is left empty."""
        check_slot("target", target, self.info.num_slots)
        self.check_cut(source, length)
        assert self._kv_rows is not None  # as in step
        if source != target:
            self._rows.place([target], self.lengths)
            self.lengths[target] = 0  # what it held is written over
            with running():
                self._kv_rows.copy(self._rows.rows[source], self._rows.rows[target], length)
        self.note_fork(source, target, length)

    @property
    def can_save(self) -> bool:
        """Whether slots can be saved: of a cache in a device's memory none can."""
        return self.shares_runs and isinstance(self._kv_rows, HostKVCache)

    def save(self, slot: int) -> State:
        """Copy the keys and values of a slot, and what else it holds."""
        length = self.length(slot)
        return pack_state(self.info.state_key, length, self._parts(slot, length))

    def load(self, slot: int, state: State) -> None:
        """Write what was saved to the slot's row."""
        length = self.check_state(slot, state)
        arrays = unpack_state(state, [(part.dtype, part.shape) for part in self._parts(slot, length)])
        self._rows.place([slot], self.lengths)
        for part, array in zip(self._parts(slot, length), arrays, strict=True):
            part[...] = array
        self.note_load(slot, length)

    def _parts(self, slot: int, length: int) -> list[NDArray[Any]]:
        """Return all that a slot of this length holds, as views to read and write."""
        if not isinstance(self._kv_rows, HostKVCache):
            raise Unsupported(Capability.STATE)
        return self._kv_rows.parts(self._rows.rows[slot], length)

    def interrupt(self) -> None:
        """End the running step within a node's time; between steps, do nothing."""
        self._interruption.interrupt()

    def close(self) -> None:
        """Free the weights and the KV cache."""
        self._runner = None
        self._kv_rows = None


class SeparateSession(GenerationSession):
    """The session on a device that runs one sequence at a time.

    Remembers each slot's tokens, for a prompt's later chunks run from the beginning; see :func:`plan_alone`."""

    shares_runs = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._held = [np.zeros(0, np.int64) for _ in range(self.info.num_slots)]

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run each row; what is held changes only when all of it succeeded."""
        output = super().step(batch)
        for row in batch:
            before = self.lengths[row.slot] - len(row.token_ids)
            self._held[row.slot] = np.concatenate([self._held[row.slot][:before], row.token_ids])
        return output

    def _plan(self, batch: Sequence[SlotTokens]) -> list[Run]:
        self._rows.place([row.slot for row in batch], self.lengths)
        held = [token_ids[:length] for token_ids, length in zip(self._held, self.lengths, strict=True)]
        return plan_alone(batch, self._rows.rows, held)

    def fork(self, source: int, target: int, length: int) -> None:
        """Copy the keys and values of the first ``length`` tokens."""
        super().fork(source, target, length)
        self._held[target] = self._held[source][:length].copy()


def _in_batch_order(buffers: StepBuffers, output_rows: list[int]) -> StepOutput:
    """Return the logits in the order of the batch; several runs may have written them in another."""
    num_logits = len(output_rows)
    if output_rows != list(range(num_logits)):
        order = np.argsort(output_rows)
        return StepOutput(buffers.logits[order], buffers.top_logits[order], buffers.top_token_ids[order])
    return StepOutput(buffers.logits[:num_logits], buffers.top_logits[:num_logits], buffers.top_token_ids[:num_logits])
