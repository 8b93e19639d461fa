"""Faults of KV caches that share, reuse or renumber memory, and of batches as large as the server makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jan_ort_backends import SlotTokens, StepOutput
from jan_ort_backends.reference import ReferenceSession
from jan_ort_backends.reference_transformer import CONTEXT_LENGTH, forward
from tests.conformance.backend.broken import fault

Batch = Sequence[SlotTokens]


class CopiesPages(ReferenceSession):
    """A base: ``pages`` says of which slot's memory, and of how many positions of it, a slot makes use."""

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.pages: dict[int, tuple[int, int]] = {}

    def copy(self, source: int, target: int, length: int) -> None:
        origin, copy = self._caches[source], self._caches[target]
        copy.keys[:, :length] = origin.keys[:, :length]
        copy.values[:, :length] = origin.values[:, :length]


@fault("forks.outlive_their_source")
class ForkReadsItsSourcesPages(CopiesPages):
    """No page has a count of who uses it: what the source writes there later, its fork reads."""

    def run(self, batch: Batch) -> StepOutput:
        for row in batch:
            self._read(row.slot)
        return super().run(batch)

    def fork(self, source: int, target: int, length: int) -> None:
        self._read(source)
        super().fork(source, target, length)
        if source != target:
            self.pages.pop(target, None)
            if self.pages.get(source, (None, 0))[0] != target:
                self.pages[target] = (source, length)

    def cut(self, slot: int, length: int) -> None:
        if slot in self.pages:
            source, shared = self.pages.pop(slot)
            if length:
                self.pages[slot] = (source, min(length, shared))

    def _read(self, slot: int) -> None:
        if slot in self.pages:
            source, length = self.pages[slot]
            self._read(source)
            self.copy(source, slot, length)


@fault("forks.outlive_their_source")
class EmptyingFreesSharedPages(CopiesPages):
    """A fork copies when the one or the other writes; emptying the source frees what was not copied yet."""

    def run(self, batch: Batch) -> StepOutput:
        for target, (source, _) in list(self.pages.items()):
            if any(row.slot in (source, target) for row in batch):
                self._own(target)
        return super().run(batch)

    def fork(self, source: int, target: int, length: int) -> None:
        self._own(source)
        for other, (origin, _) in list(self.pages.items()):
            if origin == target:
                self._own(other)
        super().fork(source, target, length)
        if source != target:
            self.pages[target] = (source, length)

    def cut(self, slot: int, length: int) -> None:
        self._own(slot)
        if length == 0:
            self._caches[slot].keys[:] = 0.0
            self._caches[slot].values[:] = 0.0

    def _own(self, target: int) -> None:
        if target in self.pages:
            source, length = self.pages.pop(target)
            self.copy(source, target, length)


@fault("forks.leave_their_source")
class ForkWritesIntoSharedPages(CopiesPages):
    """Where a fork goes on within what it shares, it does so in its source's memory."""

    def run(self, batch: Batch) -> StepOutput:
        cut = {row.slot: self.pages[row.slot] for row in batch if row.slot in self.pages}
        cut = {slot: (source, length) for slot, (source, length) in cut.items() if self.lengths[slot] < length}
        output = super().run(batch)
        for slot, (source, length) in cut.items():
            self.copy(slot, source, length)
        return output

    def fork(self, source: int, target: int, length: int) -> None:
        super().fork(source, target, length)
        self.pages[target] = (source, length)


@fault("slots.are_all_apart")
class LastSlotsShareACache(ReferenceSession):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        for slot in range(6, num_slots):
            self._caches[slot] = self._caches[6]


@fault("slots.truncate_by_any_length")
class LongCutsMoveThePositions(ReferenceSession):
    """Positions are off by one after a slot was cut by more than 40 tokens at once, and not to nothing."""

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.moved: set[int] = set()

    def cut(self, slot: int, length: int) -> None:
        if length == 0:
            self.moved.discard(slot)
        elif length < self.lengths[slot] - 40:
            self.moved.add(slot)

    def _run_row(self, row: SlotTokens) -> Any:
        if row.slot not in self.moved:
            return super()._run_row(row)
        positions = np.arange(len(row.token_ids)) + self.lengths[row.slot] + 1
        cache = self._caches[row.slot]
        states = [
            forward(self._weights, cache, min(int(position), CONTEXT_LENGTH - 1), int(token))
            for position, token in zip(positions, row.token_ids, strict=True)
        ]
        return states[len(states) - row.num_logits :]


@fault("batches.decode_equals_alone")
class SeventhRowIsTheFirst(ReferenceSession):
    """A kernel for up to six rows."""

    def run(self, batch: Batch) -> StepOutput:
        output = super().run(batch)
        if len(batch) > 6:
            output.logits[6:] = output.logits[0]
        return output


@fault("batches.first_prompts_equal_alone")
class SeventhPromptIsTheFirst(ReferenceSession):
    def run(self, batch: Batch) -> StepOutput:
        output = super().run(batch)
        if len(batch) > 6 and max(len(row.token_ids) for row in batch) > 1:
            output.logits[6:] = output.logits[0]
        return output


@fault("batches.mixed_rows_of_any_logits")
class SilentRowsReverseAMixedStep(ReferenceSession):
    def run(self, batch: Batch) -> StepOutput:
        output = super().run(batch)
        kinds = {len(row.token_ids) > 1 for row in batch}
        if len(kinds) > 1 and any(row.num_logits == 0 for row in batch) and any(self.lengths[r.slot] for r in batch):
            return replace(output, logits=output.logits[::-1].copy())
        return output


@fault("logits.rows_in_batch_order")
class SilentRowsReverseADecode(ReferenceSession):
    def run(self, batch: Batch) -> StepOutput:
        output = super().run(batch)
        are_decoded = all(len(row.token_ids) == 1 and self.lengths[row.slot] for row in batch)
        if are_decoded and any(row.num_logits == 0 for row in batch):
            return replace(output, logits=output.logits[::-1].copy())
        return output
