"""Faults of a step: its logits, chunks, batches, top logits and errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jan_ort_backends import BadInput, ContextOverflow, SlotTokens, StepOutput
from jan_ort_backends.reference import ReferenceSession
from jan_ort_backends.reference_transformer import VOCAB_SIZE
from jan_ort_conformance.verdicts.verdict import Verdict
from tests.conformance.backend.broken import fault

Batch = Sequence[SlotTokens]


class AltersLogits(ReferenceSession):
    """A base: ``alter`` says what becomes of the sound logits."""

    def step(self, batch: Batch) -> StepOutput:
        output = super().step(batch)
        return replace(output, logits=self.alter(output.logits, batch))

    def alter(self, logits: Any, batch: Batch) -> Any:
        return logits


@fault("logits.form")
class LogitsInFloat64(AltersLogits):
    def alter(self, logits: Any, batch: Batch) -> Any:
        return logits.astype(np.float64)


@fault("logits.form")
class LogitsOfEveryPosition(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        return super().step([replace(row, num_logits=len(row.token_ids)) for row in batch])


@fault("logits.trailing_positions")
class FirstLogitsInsteadOfLast(ReferenceSession):
    def _run_row(self, row: SlotTokens) -> Any:
        return super()._run_row(replace(row, num_logits=len(row.token_ids)))[: row.num_logits]


@fault("logits.finite")
class NanFarFromTheStart(AltersLogits):
    def alter(self, logits: Any, batch: Batch) -> Any:
        if self.length(batch[0].slot) > 62:
            logits[..., 7] = np.nan
        return logits


@fault("logits.rows_in_batch_order")
class RowsInTheOrderOfSlots(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        return super().step(sorted(batch, key=lambda row: row.slot))


@fault("logits.accept_any_array")
class WritesToTheTokens(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        output = super().step(batch)
        for row in batch:
            row.token_ids[:] = 0
        return output


@fault("logits.follow_from_the_tokens")
class RandomLogits(AltersLogits):
    def alter(self, logits: Any, batch: Batch) -> Any:
        return logits + np.random.default_rng().random(logits.shape, np.float32) / 1e4


@fault("logits.follow_from_the_tokens")
class ConstantLogits(AltersLogits):
    def alter(self, logits: Any, batch: Batch) -> Any:
        return logits * 0


@fault("prefill.holds_far_from_the_start")
class NanAfterPosition200(AltersLogits):
    def alter(self, logits: Any, batch: Batch) -> Any:
        if self.length(batch[0].slot) > 200:
            logits[..., 7] = np.nan
        return logits


@fault("prefill.holds_far_from_the_start")
class ForgetsAPositionFarFromTheStart(ReferenceSession):
    """A later chunk loses what an earlier one wrote at position 300."""

    def step(self, batch: Batch) -> StepOutput:
        output = super().step(batch)
        for row in batch:
            if self.lengths[row.slot] > 300:
                self._caches[row.slot].values[:, 300] = 0.0
        return output


@fault("logits.none_when_none_are_wanted")
class DropsSilentChunks(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        output = super().step(batch)
        for row in batch:
            if not row.num_logits:
                self.lengths[row.slot] -= len(row.token_ids)
        return output


@fault("prefill.equals_decode")
class DecodesByAnotherModel(AltersLogits):
    def alter(self, logits: Any, batch: Batch) -> Any:
        return np.roll(logits, 1, axis=1) if len(batch[0].token_ids) == 1 else logits


@fault("prefill.chunked_equals_whole")
class LaterChunksSkipAPosition(ReferenceSession):
    def _run_row(self, row: SlotTokens) -> Any:
        if self.lengths[row.slot] and len(row.token_ids) > 1:
            row = replace(row, token_ids=np.roll(row.token_ids, 1))
        return super()._run_row(row)


@fault("prefill.chunked_equals_whole")
class RoundsByTheChunk(AltersLogits):
    def alter(self, logits: Any, batch: Batch) -> Any:
        return logits * np.float32(1 + len(batch[0].token_ids) * 1e-6)


@fault("prefill.every_position_equals_its_prefix")
class InnerPositionsSeeTheNextToken(ReferenceSession):
    def _run_row(self, row: SlotTokens) -> Any:
        states = super()._run_row(row)
        return [*states[1:], states[-1]] if len(states) > 20 else states


@fault("prefill.continues_after_chunks")
class ChunksLoseTheirFirstValue(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        later = [row for row in batch if self.lengths[row.slot] and len(row.token_ids) > 1]
        output = super().step(batch)
        for row in later:
            self._caches[row.slot].values[:, 0] = 0.0
        return output


@fault("prefill.continues_after_decode")
class DecodedKeysAreNotKept(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        output = super().step(batch)
        for row in batch:
            if len(row.token_ids) == 1:
                self._caches[row.slot].keys[:, self.lengths[row.slot] - 1] = 0.0
        return output


@fault("batches.first_prompts_of_one_token")
class OneTokenIsNoPrompt(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        if len(batch) > 1 and len({len(row.token_ids) for row in batch}) > 1:
            batch = [replace(row, token_ids=row.token_ids * (len(row.token_ids) > 1)) for row in batch]
        return super().step(batch)


@fault("batches.decode_equals_alone")
class RoundsByTheBatch(AltersLogits):
    def alter(self, logits: Any, batch: Batch) -> Any:
        return logits * np.float32(1 + len(batch) * 1e-6)


@fault("batches.changing_company_equals_alone")
class ForgetsWhoMoved(ReferenceSession):
    """Every third company decodes on its neighbours' positions."""

    steps = 0

    def step(self, batch: Batch) -> StepOutput:
        self.steps += len(batch) > 1
        if len(batch) > 2 and self.steps % 9 == 0:
            first, last = batch[0].slot, batch[-1].slot
            self._caches[first], self._caches[last] = self._caches[last], self._caches[first]
        return super().step(batch)


@fault("batches.first_prompts_equal_alone")
class AttendsToPadding(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        width = max((len(row.token_ids) for row in batch), default=0)
        output = super().step(batch)
        for row in batch:
            if width > len(row.token_ids) > 1:
                self._caches[row.slot].keys[:, : width - len(row.token_ids)] *= 0.9
        return output


@fault("batches.start_in_any_empty_slot")
class StartsInTheFirstSlots(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        output = super().step(batch)
        if len(batch) > 1 and len(batch[0].token_ids) > 1:
            for index, row in enumerate(batch):
                self._caches[index].keys[:, : len(row.token_ids)] = self._caches[row.slot].keys[:, : len(row.token_ids)]
        return output


@fault("batches.idle_slots_keep_their_content")
class WritesBetweenItsRows(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        output = super().step(batch)
        if len(batch) > 1 and batch[-1].slot > batch[0].slot + 1:
            self._caches[batch[0].slot + 1].values[:, 3] = 0.0
        return output


@fault("batches.change_only_their_own_slots")
class CountsForTheNextSlot(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        output = super().step(batch)
        self.lengths[(batch[-1].slot + 1) % len(self.lengths)] += 1
        return output


@fault("batches.mixed_rows_equal_alone")
class MixedRowsLoseTheirPast(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        mixed = len({len(row.token_ids) > 1 for row in batch}) > 1 and any(self.lengths[row.slot] for row in batch)
        if mixed:
            for row in batch:
                self._caches[row.slot].values[:, 0] = 0.0
        return super().step(batch)


@fault("top_logits.form", Verdict.LIES)
class NoTopLogits(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        return StepOutput(super().step(batch).logits)


@fault("top_logits.form")
class TopIdsInInt32(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        output = super().step(batch)
        assert output.top_token_ids is not None
        return replace(output, top_token_ids=output.top_token_ids.astype(np.int32))


class AltersTop(ReferenceSession):
    """A base: ``order`` ranks the token ids of rounded logits, which have ties."""

    def step(self, batch: Batch) -> StepOutput:
        logits = np.round(super().step(batch).logits)
        ids = self.order(logits)[:, :16]
        return StepOutput(logits, np.take_along_axis(logits, ids, axis=1), ids)

    def order(self, logits: Any) -> Any:
        return np.argsort(-logits, axis=1, kind="stable")


@fault("top_logits.are_the_largest_in_order")
class TopIsUnsorted(AltersTop):
    def order(self, logits: Any) -> Any:
        return np.roll(super().order(logits)[:, :16], 3, axis=1)


@fault("top_logits.are_the_largest_in_order")
class TiesByDescendingId(AltersTop):
    def order(self, logits: Any) -> Any:
        return VOCAB_SIZE - 1 - np.argsort(-logits[:, ::-1], axis=1, kind="stable")


@fault("top_logits.in_batch_order")
class TopOfAnotherRow(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        output = super().step(batch)
        if len(batch) == 1:
            return output
        assert output.top_logits is not None
        assert output.top_token_ids is not None
        return replace(output, top_logits=output.top_logits[::-1], top_token_ids=output.top_token_ids[::-1])


@fault("refused_input.typed")
class EmptyBatchIsFine(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        return super().step(batch) if batch else StepOutput(np.empty((0, VOCAB_SIZE), np.float32))


@fault("refused_input.typed")
class WrapsTokenIds(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        return super().step([replace(row, token_ids=row.token_ids % VOCAB_SIZE) for row in batch])


@fault("refused_input.typed")
class RaisesValueError(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        try:
            return super().step(batch)
        except BadInput as error:
            raise ValueError(str(error)) from error


@fault("refused_input.typed")
class CountsBeforeItChecks(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        try:
            return super().step(batch)
        except BadInput:
            if batch:
                self.lengths[2] += 1
            raise


@fault("refused_input.named")
class NamesNoParameter(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        try:
            return super().step(batch)
        except BadInput as error:
            raise BadInput("request", str(error)) from error


@fault("refused_input.overflow")
class SlidesItsWindow(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        for row in batch:
            if self.lengths[row.slot] + len(row.token_ids) > self.info.context_length:
                self.lengths[row.slot] = 0
        return super().step(batch)


@fault("refused_input.overflow")
class OverflowIsBadInput(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        try:
            return super().step(batch)
        except ContextOverflow as error:
            raise BadInput("token_ids", str(error)) from error


@fault("refused_input.overflow")
class LosesTheLastPosition(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        for row in batch:
            length = self.lengths[row.slot] + len(row.token_ids)
            if length == self.info.context_length:
                raise ContextOverflow(
                    slot=row.slot, length=length - 1, num_tokens=1, context_length=self.info.context_length
                )
        return super().step(batch)
