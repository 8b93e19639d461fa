"""Faults of sessions that are cut at checkpoints only; a sound one is the reference's, which says so and keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jan_ort_backends import BackendError, Capability, Session, SlotTokens, StepOutput
from jan_ort_backends.checks import check_prefix
from jan_ort_backends.reference import ReferenceSession
from jan_ort_conformance.verdicts.verdict import Verdict
from tests.conformance.backend.broken import FaultyBackend, fault


class CheckpointedSession(ReferenceSession):
    """Sound: its keys and values could be cut anywhere, and are at checkpoints only."""

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.info = replace(self.info, num_checkpoints=3)


class Checkpointed(FaultyBackend):
    session_class = CheckpointedSession


class GeneratesOnlySession(CheckpointedSession):
    """Sound: it embeds nothing, and says so."""

    embed = Session.embed


class GeneratesOnly(FaultyBackend):
    session_class = GeneratesOnlySession
    capabilities = FaultyBackend.capabilities - {Capability.EMBED}


@fault("opening.declared_is_implemented", Verdict.LIES)
class ForkIsNotThere(CheckpointedSession):
    fork = Session.fork


class NothingKeptSession(ReferenceSession):
    """Sound: it can be emptied, and that is all."""

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.info = replace(self.info, num_checkpoints=0)


class NothingKept(FaultyBackend):
    session_class = NothingKeptSession


@fault("checkpoints.are_cut_to")
class CutsLeaveTheState(CheckpointedSession):
    """What came after a checkpoint is in the state that a cut leaves."""

    def cut(self, slot: int, length: int) -> None:
        if 0 < length < self.lengths[slot]:
            self._caches[slot].values[:, length - 1] += self._caches[slot].values[:, self.lengths[slot] - 1]


@fault("checkpoints.are_the_last")
class KeepsFewerThanItSays(CheckpointedSession):
    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        output = super().step(batch)
        self.checkpoints = [kept[-2:] for kept in self.checkpoints]
        return output


@fault("checkpoints.are_the_last")
class KeepsMoreThanItSays(CheckpointedSession):
    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        self.info = replace(self.info, num_checkpoints=9)
        output = super().step(batch)
        self.info = replace(self.info, num_checkpoints=3)
        return output


@fault("checkpoints.refuse_other_lengths")
class CutsAnywhere(CheckpointedSession):
    def check_cut(self, slot: int, length: int) -> None:
        check_prefix(slot, length, self.length(slot))


@fault("checkpoints.end_with_a_cut")
class CutsForgetNoCheckpoint(CheckpointedSession):
    def note_fork(self, source: int, target: int, length: int) -> None:
        kept = self.checkpoints[source]
        super().note_fork(source, target, length)
        if source == target:
            self.checkpoints[target] = kept


@fault("checkpoints.of_each_slot")
class SlotsShareTheirCopies(CheckpointedSession):
    """A copy is found by its length alone."""

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.copies: dict[int, Any] = {}

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        output = super().step(batch)
        for row in batch:
            if row.keep:
                self.copies[self.lengths[row.slot]] = self._caches[row.slot].values.copy()
        return output

    def cut(self, slot: int, length: int) -> None:
        if length in self.copies:
            self._caches[slot].values[:, :length] = self.copies[length][:, :length]


@fault("checkpoints.of_a_step_that_failed")
class FailedStepsKeep(CheckpointedSession):
    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        try:
            return super().step(batch)
        except BackendError:
            for row in batch:
                if row.keep:
                    self.checkpoints[row.slot] += (self.lengths[row.slot] + len(row.token_ids),)
            raise


@fault("checkpoints.are_forked")
class ForksHaveNoCheckpoint(CheckpointedSession):
    def fork(self, source: int, target: int, length: int) -> None:
        super().fork(source, target, length)
        self.checkpoints[target] = ()


@fault("checkpoints.are_forked")
class ForksWriteIntoTheCopies(CheckpointedSession):
    """A fork goes on in the memory of the checkpoint that it shares with its source."""

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.sources: dict[int, int] = {}

    def fork(self, source: int, target: int, length: int) -> None:
        super().fork(source, target, length)
        self.sources[target] = source

    def cut(self, slot: int, length: int) -> None:
        if slot in self.sources and length:
            values = self._caches[self.sources[slot]].values
            values[:, :length] = np.roll(values[:, :length], 1, axis=1)
