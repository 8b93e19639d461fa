"""A session of a model that keeps a state beside its KV cache, or in its place, which is cut at checkpoints only."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import BackendError, OutOfMemory, SessionInfo, SlotTokens, StepOutput
from jan_ort_llama_cpp.session import LlamaCppSession

MAX_CHECKPOINTS = 4
"""Copies of a slot's state that are kept."""

State = NDArray[np.uint8]


class RecurrentSession(LlamaCppSession):
    """Keeps copies of what llama.cpp cannot take back: at checkpoints, and before a step that may end in its midst."""

    def __init__(self, library: Any, model: Any, context: Any, info: SessionInfo) -> None:
        super().__init__(library, model, context, info)
        self._kept: list[dict[int, State]] = [{} for _ in range(info.num_slots)]
        self._before: dict[int, State] = {}

    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run the batch, and copy the states where it is to be kept."""
        ends_early = any(len(row.token_ids) > 1 for row in batch)  # one token each is one call, or none
        slots = [row.slot for row in batch if ends_early and self.lengths[row.slot]]
        self._before = {slot: self._state(slot) for slot in slots}
        output = super().run(batch)
        for row in batch:
            if row.keep:
                states = self._kept[row.slot]
                states[self.lengths[row.slot] + len(row.token_ids)] = self._state(row.slot)
                if len(states) > MAX_CHECKPOINTS:
                    del states[min(states)]
        return output

    def compute(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Append row after row, unless each is one token: a longer row changes the last digits of those beside it."""
        if all(len(row.token_ids) == 1 for row in batch) or len(batch) == 1:
            return super().compute(batch)
        try:
            return StepOutput(np.concatenate([super(RecurrentSession, self).compute([row]).logits for row in batch]))
        except BaseException:
            for row in batch:
                self.take_back(row.slot)
            raise

    def take_back(self, slot: int) -> None:
        """Forget what a failed step appended to ``slot``."""
        if slot in self._before:
            self._restore(slot, self._before[slot])
        super().cut(slot, self.lengths[slot])

    def cut(self, slot: int, length: int) -> None:
        """Take back the state of a checkpoint, and free the cells from ``length`` on."""
        kept = self._kept[slot]
        if 0 < length < self.lengths[slot]:
            self._restore(slot, kept[length])
        super().cut(slot, length)
        self._kept[slot] = {each: state for each, state in kept.items() if each <= length}

    def cut_copy(self, source: int, target: int, length: int) -> None:
        """Take back the state of the source's checkpoint; checkpoints are shared, for nobody writes to them."""
        if 0 < length < self.lengths[source]:
            self._restore(target, self._kept[source][length])
        super().cut(target, length)
        self._kept[target] = {each: state for each, state in self._kept[source].items() if each <= length}

    def _state(self, slot: int) -> State:
        """Return a copy of the slot's state, without the cells that can be cut. Raises: OutOfMemory."""
        partial = self._library.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        size = self._library.llama_state_seq_get_size_ext(self._context, slot, partial)
        try:
            state = np.empty(size, np.uint8)
        except MemoryError as error:
            raise OutOfMemory(f"no memory for {size} bytes of a slot's state") from error
        written = self._library.llama_state_seq_get_data_ext(self._context, _bytes(state), size, slot, partial)
        if written != size:
            raise BackendError(f"llama.cpp wrote {written} of {size} bytes of slot {slot}'s state")
        return state

    def _restore(self, slot: int, state: State) -> None:
        partial = self._library.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        if not self._library.llama_state_seq_set_data_ext(self._context, _bytes(state), len(state), slot, partial):
            raise BackendError(f"llama.cpp cannot take back the state of slot {slot}")


def _bytes(state: State) -> Any:
    return state.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
