"""The session of a generation graph some of whose layers keep a state, which can be cut at checkpoints only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_backends import DeviceReport, OpenOptions, SlotTokens, State, StepOutput
from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph
from jan_ort_onnxruntime.kv.state_rows import RowState, StateRows
from jan_ort_onnxruntime.sessions.generation_session import GenerationSession


class StatefulSession(GenerationSession):
    """Beside keys and values, a slot has a state and copies of it at its checkpoints.

    First prompts are not padded to one run, for a state would take the padding in.
    """

    pads = False

    def __init__(
        self,
        session: ort.InferenceSession,
        graph: GenerationGraph,
        options: OpenOptions,
        device: DeviceReport,
        weights_hash: str,
    ) -> None:
        self._states = StateRows(graph.states, options.num_slots)
        super().__init__(session, graph, options, device, weights_hash, states=self._states)
        self._kept: list[dict[int, RowState]] = [{} for _ in range(options.num_slots)]

    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run the batch; what was written counts once all of it has succeeded."""
        try:
            output = super().run(batch)
            kept = {row.slot: self._states.read(self._rows.rows[row.slot]) for row in batch if row.keep}
        except BaseException:
            self._states.discard()
            raise
        self._states.commit()
        for row in batch:
            if row.keep:
                states = self._kept[row.slot]
                states[self.lengths[row.slot] + len(row.token_ids)] = kept[row.slot]
                if len(states) > (self.info.num_checkpoints or 0):
                    del states[min(states)]
        return output

    def swap_states(self, first_row: int, second_row: int) -> None:
        """Swap the states of two KV rows."""
        self._states.swap(first_row, second_row)

    def cut(self, slot: int, length: int) -> None:
        """Take back the state of a checkpoint; that of an empty slot is cleared when it starts."""
        kept = self._kept[slot]
        if 0 < length < self.lengths[slot]:
            self._states.write(self._rows.rows[slot], kept[length])
        self._kept[slot] = {each: state for each, state in kept.items() if each <= length}

    def fork(self, source: int, target: int, length: int) -> None:
        """Copy keys, values and state; checkpoints are shared, for nobody writes to them."""
        held = self.length(source)
        super().fork(source, target, length)
        rows = self._rows.rows
        if length == held:
            self._states.copy(rows[source], rows[target])
        elif length:
            self._states.write(rows[target], self._kept[source][length])
        self._kept[target] = {each: state for each, state in self._kept[source].items() if each <= length}

    def load(self, slot: int, state: State) -> None:
        """Write what was saved; its checkpoints were left."""
        super().load(slot, state)
        self._kept[slot] = {}

    def _parts(self, slot: int, length: int) -> list[NDArray[Any]]:
        """Return keys, values and state; an empty slot's state is cleared when it starts."""
        return super()._parts(slot, length) + (self._states.parts(self._rows.rows[slot]) if length else [])

    def close(self) -> None:
        """Free the weights, the KV cache and the states."""
        super().close()
        self._kept = []
