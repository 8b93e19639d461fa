"""Faults that show far from the start, beyond the eighth slot or 64th row, at the last token id, or in near texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jan_ort_backends import SlotTokens, StepOutput
from jan_ort_backends.reference import KVCache, ReferenceSession
from jan_ort_backends.reference_transformer import VOCAB_SIZE, forward
from tests.conformance.backend.broken import fault

Batch = Sequence[SlotTokens]


@fault("logits.follow_from_far_tokens")
class PositionsWrapAt256(ReferenceSession):
    """Position 256 is position 0 again: what stood there is overwritten, and nothing behind it is read."""

    def _run_row(self, row: SlotTokens) -> Any:
        past, states = self.lengths[row.slot], []
        for offset, token_id in enumerate(row.token_ids):
            states.append(forward(self._weights, self._caches[row.slot], (past + offset) % 256, int(token_id)))
        return states[len(states) - row.num_logits :]


@fault("forks.may_be_long")
class ForksCopy200(ReferenceSession):
    """A fork copies its source's first 200 positions."""

    def fork(self, source: int, target: int, length: int) -> None:
        super().fork(source, target, length)
        if source != target:
            self._caches[target].values[:, 200:] = 0.0


@fault("forks.may_be_long_and_apart")
class LongForksShareACache(ReferenceSession):
    """A fork of 64 tokens or more is its source until it is emptied: nothing is copied when one of them writes."""

    def fork(self, source: int, target: int, length: int) -> None:
        self._own(target)
        super().fork(source, target, length)
        if length >= 64:
            self._caches[target] = self._caches[source]

    def truncate(self, slot: int, length: int) -> None:
        super().truncate(slot, length)
        if not length:
            self._own(slot)

    def _own(self, slot: int) -> None:
        if any(cache is self._caches[slot] for index, cache in enumerate(self._caches) if index != slot):
            self._caches[slot] = KVCache.empty(self.info.context_length)


@fault("prefill.holds_at_borders")
class WholeBlocksLoseTheirLast(ReferenceSession):
    """A chunk that begins at a multiple of 32 finds the position before it empty."""

    def run(self, batch: Batch) -> StepOutput:
        for row in batch:
            past = self.lengths[row.slot]
            if past % 32 == 0 and past and len(row.token_ids) > 1:
                self._caches[row.slot].values[:, past - 1] = 0.0
        return super().run(batch)


@fault("logits.do_not_drift")
class DriftsWithEveryStep(ReferenceSession):
    """Each step adds a little to what is kept, as an accumulator that is never set back does."""

    num_steps = 0

    def run(self, batch: Batch) -> StepOutput:
        output = super().run(batch)
        self.num_steps += 1
        return replace(output, logits=output.logits + np.float32(1e-4 * self.num_steps))


@fault("slots.may_be_more_than_eight")
class NinthSlotIsTheFirst(ReferenceSession):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self._caches = [self._caches[slot % 8] for slot in range(num_slots)]


@fault("logits.know_the_last_token_id")
class LastTokenIdIsTheOneBefore(ReferenceSession):
    def _run_row(self, row: SlotTokens) -> Any:
        return super()._run_row(replace(row, token_ids=np.minimum(row.token_ids, VOCAB_SIZE - 2)))


@fault("embeddings.tell_near_texts_apart")
class NearTextsShareAVector(ReferenceSession):
    """Vectors are kept by the first 16 tokens and the length."""

    def embed(self, batch: Any) -> Any:
        kept = self.__dict__.setdefault("_kept", {})
        vectors = super().embed(batch)
        for index, text in enumerate(batch):
            key = (len(text), *map(int, text[:16]))
            vectors[index] = kept.setdefault(key, vectors[index].copy())
        return vectors


@fault("logits.know_the_last_token_id")
class TokenZeroIsPadding(ReferenceSession):
    def _run_row(self, row: SlotTokens) -> Any:
        return super()._run_row(replace(row, token_ids=np.maximum(row.token_ids, 1)))


@fault("embeddings.tell_near_texts_apart")
class TextsOf32LoseTheirLast(ReferenceSession):
    def embed(self, batch: Any) -> Any:
        return super().embed([text[:-1] if len(text) == 32 else text for text in batch])


@fault("embeddings.read_to_the_end")
class CutsTextsAt256(ReferenceSession):
    def embed(self, batch: Any) -> Any:
        super().embed([text[:1] if len(text) <= self.info.context_length else text for text in batch])  # refuses
        return super().embed([text[:256] for text in batch])


@fault("embeddings.read_to_the_end")
class LosesTheEndOfTheContext(ReferenceSession):
    def embed(self, batch: Any) -> Any:
        last = self.info.context_length - 1
        return super().embed([text[:-1] if len(text) == last + 1 else text for text in batch])


@fault("top_logits.of_many_rows")
class RowsBeyond64RepeatIts(ReferenceSession):
    """The top logits of rows beyond the 64th of a step are the 64th's."""

    def run(self, batch: Batch) -> StepOutput:
        output = super().run(batch)
        if output.top_logits is not None and output.top_token_ids is not None:
            output.top_logits[64:], output.top_token_ids[64:] = output.top_logits[63:64], output.top_token_ids[63:64]
        return output


@fault("top_logits.of_many_rows")
class IdsBeyond128AreTheFirst(ReferenceSession):
    def run(self, batch: Batch) -> StepOutput:
        output = super().run(batch)
        if output.top_token_ids is not None:
            output.top_token_ids[128:] = output.top_token_ids[:1]
        return output


@fault("slots.may_be_full")
class LastPositionForgetsTheFirst(ReferenceSession):
    def run(self, batch: Batch) -> StepOutput:
        for row in batch:
            if self.lengths[row.slot] + len(row.token_ids) == self.info.context_length and self.lengths[row.slot]:
                self._caches[row.slot].values[:, 0] = 0.0
        return super().run(batch)


@fault("slots.forget_what_they_decoded")
class DecodedLogitsAreKept(ReferenceSession):
    """The logits of a decoded token are kept by slot, place and token."""

    def run(self, batch: Batch) -> StepOutput:
        kept, output = self.__dict__.setdefault("_kept", {}), super().run(batch)
        for index, row in enumerate(batch):
            if all(len(each.token_ids) == 1 and each.num_logits == 1 for each in batch):
                key = (row.slot, self.lengths[row.slot], int(row.token_ids[0]))
                output.logits[index] = kept.setdefault(key, output.logits[index].copy())
        return output


@fault("embeddings.leave_the_slots_alone")
class LongTextsUseTheLastSlot(ReferenceSession):
    def embed(self, batch: Any) -> Any:
        if any(len(text) > 64 for text in batch):
            self._caches[-1].keys[:, :3] = 1.0
        return super().embed(batch)
