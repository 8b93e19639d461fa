"""Faults of interrupts: deaf to them, or something of the interrupted step is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jan_ort_backends import Interrupted, SlotTokens, StepOutput
from jan_ort_backends.reference import ReferenceSession
from jan_ort_conformance.verdicts.verdict import Verdict
from tests.conformance.backend.broken import fault
from tests.conformance.backend.quick_session import QuickSession

Batch = Sequence[SlotTokens]


class _Stale(threading.Event):
    def clear(self) -> None:
        """Stay set."""


@fault("interrupts.between_steps_do_nothing")
class InterruptsAreRemembered(ReferenceSession):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self._interrupted = _Stale()


@fault("interrupts.end_a_running_step", Verdict.LIES)
class DeafToInterrupts(ReferenceSession):
    def interrupt(self) -> None:
        """Do nothing."""


@fault("interrupts.end_a_running_step")
class InterruptedHalfWay(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        try:
            return super().step(batch)
        except Interrupted:
            self.lengths[batch[0].slot] += 1
            raise


@fault("interrupts.leave_every_length_of_a_batch")
class InterruptedRowsStay(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        try:
            return super().step(batch)
        except Interrupted:
            for row in batch[1:]:
                self.lengths[row.slot] += len(row.token_ids)
            raise


@fault("interrupts.leave_every_length_of_a_batch")
class FinishedRowsStay(ReferenceSession):
    """To see it, an interrupt has to come after the first row."""

    def run(self, batch: Batch) -> StepOutput:
        self.finished: list[SlotTokens] = []
        return super().run(batch)

    def step(self, batch: Batch) -> StepOutput:
        try:
            return super().step(batch)
        except Interrupted:
            for row in self.finished:
                self.lengths[row.slot] += len(row.token_ids)
            raise

    def _run_row(self, row: SlotTokens) -> Any:
        states = super()._run_row(row)
        self.finished.append(row)
        return states


@fault("interrupts.end_a_running_step")
class InterruptedStateFades(ReferenceSession):
    """As of a recurrent model: what is left changes the next step's first positions, and not its last."""

    is_stale = False

    def step(self, batch: Batch) -> StepOutput:
        is_stale, self.is_stale = self.is_stale, False
        try:
            output = super().step(batch)
        except Interrupted:
            self.is_stale = True
            raise
        fading = np.where(np.arange(len(output.logits))[::-1, None] > 60, np.float32(0.5), np.float32(1))
        return replace(output, logits=output.logits * fading) if is_stale else output


@fault("interrupts.end_a_running_step", Verdict.LIES)
class QuickAndDeaf(QuickSession):
    """As quick as a device that takes a millisecond for any batch."""

    def wait(self, num_tokens: int) -> None:
        time.sleep(0.001)


@fault("interrupts.leave_every_length_of_a_batch", Verdict.LIES)
class QuickAndDeafByTheToken(QuickSession):
    """A millisecond for 120 tokens."""

    def wait(self, num_tokens: int) -> None:
        time.sleep(1e-3 * num_tokens / 120)


@fault("interrupts.leave_what_slots_hold")
class InterruptedChunksStay(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        held = [row for row in batch if self.lengths[row.slot] and len(row.token_ids) > 1]
        try:
            return super().step(batch)
        except Interrupted:
            for row in held:
                self.lengths[row.slot] += len(row.token_ids)
            raise


@fault("interrupts.leave_decoding_slots")
class InterruptedDecodeCountsItsFirstRow(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        try:
            return super().step(batch)
        except Interrupted:
            if all(len(row.token_ids) == 1 for row in batch):
                self.lengths[batch[0].slot] += 1
            raise
