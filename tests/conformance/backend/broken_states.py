"""Faults of sessions whose slots can be saved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jan_ort_backends import BadInput, State
from jan_ort_backends.checks import check_slot
from jan_ort_backends.reference import ReferenceSession
from tests.conformance.backend.broken import fault


@fault("states.go_on")
class SavesNoDecodedToken(ReferenceSession):
    """What a step of one token has written is left out."""

    def save(self, slot: int) -> State:
        kept = self._caches[slot].values[:, self.lengths[slot] - 1].copy()
        self._caches[slot].values[:, self.lengths[slot] - 1] = 0
        state = super().save(slot)
        self._caches[slot].values[:, self.lengths[slot] - 1] = kept
        return state


@fault("states.go_on")
class LoadsIntoTheSlotThatWasSaved(ReferenceSession):
    def save(self, slot: int) -> State:
        self.saved = slot
        return super().save(slot)

    def load(self, slot: int, state: State) -> None:
        super().load(self.saved, state)
        self.note_load(slot, self.lengths[self.saved])


@fault("states.leave_the_slot")
class LoadsOverTheNextSlot(ReferenceSession):
    def load(self, slot: int, state: State) -> None:
        super().load(slot, state)
        after = (slot + 1) % self.info.num_slots
        self._caches[after].keys[:, : self.lengths[slot]] *= 2


@fault("states.leave_the_slot")
class MovesOut(ReferenceSession):
    """A slot that is saved has given its keys away."""

    def save(self, slot: int) -> State:
        state = super().save(slot)
        self._caches[slot].keys[:, 3] = 0
        return state

    def load(self, slot: int, state: State) -> None:
        super().load(slot, state)
        self._caches[slot].keys[:, 3] = 0


@fault("states.are_the_callers_own")
class SavesIntoOneBuffer(ReferenceSession):
    buffer = np.zeros(2**20, np.uint8)

    def save(self, slot: int) -> State:
        state = super().save(slot)
        self.buffer[: len(state)] = state
        return self.buffer[: len(state)]


@fault("states.are_the_callers_own")
class LoadsAView(ReferenceSession):
    """The slot goes on in the caller's bytes."""

    def load(self, slot: int, state: State) -> None:
        super().load(slot, state)
        self.views = getattr(self, "views", {}) | {slot: state}

    def run(self, batch):  # type: ignore[no-untyped-def]
        for row in batch:
            if row.slot in getattr(self, "views", {}) and not self.views[row.slot].any():
                self._caches[row.slot].keys[:] = 0
        return super().run(batch)


@fault("states.are_loaded_over_any_slot")
class KeepsTheLongerLength(ReferenceSession):
    def load(self, slot: int, state: State) -> None:
        held = self.lengths[slot]
        super().load(slot, state)
        self.lengths[slot] = max(held, self.lengths[slot])


@fault("states.are_cut")
class CannotBeCutOnceLoaded(ReferenceSession):
    def load(self, slot: int, state: State) -> None:
        super().load(slot, state)
        self.loaded = {*getattr(self, "loaded", ()), slot}

    def cut(self, slot: int, length: int) -> None:
        if slot in getattr(self, "loaded", ()) and length:
            self._caches[slot].keys[:, :length] = np.roll(self._caches[slot].keys[:, :length], 1, axis=1)


@fault("states.decode_in_company")
class LoadedSlotsShareTheirMemory(ReferenceSession):
    """All slots of one state go on in the same keys and values."""

    def load(self, slot: int, state: State) -> None:
        super().load(slot, state)
        known = self.__dict__.setdefault("known", {})
        self._caches[slot] = known.setdefault(state.tobytes(), self._caches[slot])

    def run(self, batch):  # type: ignore[no-untyped-def]
        output = super().run(batch)
        if len(batch) > 2:
            output.logits[0] += 1
        return output


@fault("states.refuse_damaged_bytes")
class LooksAtTheBeginningOnly(ReferenceSession):
    def check_state(self, slot: int, state: State) -> int:
        try:
            return super().check_state(slot, state)
        except BadInput:
            length = len(state) // 4096
            if state[:8].tobytes() != b"janort01":
                raise
            return min(length, self.info.context_length)

    def load(self, slot: int, state: State) -> None:
        length = self.check_state(slot, state)
        try:
            super().load(slot, state)
        except BadInput:
            self.note_load(slot, length)


@fault("states.refuse_damaged_bytes")
class LeavesHalfOfDamagedBytes(ReferenceSession):
    """The slot is emptied before the bytes are looked at."""

    def load(self, slot: int, state: State) -> None:
        self.lengths[slot] = 0
        super().load(slot, state)


@fault("states.refuse_damaged_bytes")
class WritesWhatItRefuses(ReferenceSession):
    """The keys of damaged bytes, which were saved from slot 0, are in the slot before the damage is found."""

    def load(self, slot: int, state: State) -> None:
        try:
            super().load(slot, state)
        except BadInput:
            self._caches[slot].keys[:] = self._caches[0].keys
            raise


@fault("states.refuse_other_slots")
class CountsSlotsFromTheEnd(ReferenceSession):
    def save(self, slot: int) -> State:
        return super().save(slot % self.info.num_slots)


@fault("states.outlive_their_session")
class HasAKeyOfItsOwn(ReferenceSession):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.info = replace(self.info, state_key=f"{id(self)}")


@fault("states.outlive_their_session")
class TakesWhatDoesNotFit(ReferenceSession):
    def check_state(self, slot: int, state: State) -> int:
        check_slot("slot", slot, self.info.num_slots)
        try:
            return super().check_state(slot, state)
        except BadInput as error:
            if "tokens and a slot" not in str(error):
                raise
            return self.info.context_length

    def load(self, slot: int, state: State) -> None:
        length = self.check_state(slot, state)
        if length < self.info.context_length:
            super().load(slot, state)
        else:
            self.note_load(slot, length)
