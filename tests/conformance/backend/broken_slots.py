"""Faults of slots, forks, whole sessions and embeddings."""

from __future__ import annotations

import mmap
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from jan_ort_backends import BadInput, SlotTokens, StepOutput
from jan_ort_backends.reference import ReferenceSession
from tests.conformance.backend.broken import fault

Batch = Sequence[SlotTokens]


@fault("slots.start_empty")
class StartsWithAToken(ReferenceSession):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.lengths[-1] = 1


@fault("slots.truncate_forgets")
class TruncateKeepsItsPosition(ReferenceSession):
    """After a cut the cache is moved by one position."""

    def truncate(self, slot: int, length: int) -> None:
        super().truncate(slot, length)
        if length:
            self._caches[slot].keys[:, :length] = np.roll(self._caches[slot].keys[:, :length], 1, axis=1)


@fault("slots.truncate_to_what_is_held")
class TruncateToItsLengthEmpties(ReferenceSession):
    def truncate(self, slot: int, length: int) -> None:
        super().truncate(slot, 0 if length == self.length(slot) else length)


@fault("slots.truncate_cuts_one_slot")
class TruncateCutsEverySlot(ReferenceSession):
    def truncate(self, slot: int, length: int) -> None:
        super().truncate(slot, length)
        self.lengths = [min(held, length) if length else held for held in self.lengths]


@fault("slots.are_isolated")
class NeighboursShareACache(ReferenceSession):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self._caches = [self._caches[index // 2] for index in range(num_slots)]


@fault("slots.attend_to_what_they_hold")
class DecodeForgetsTheBeginning(ReferenceSession):
    def step(self, batch: Batch) -> StepOutput:
        for row in batch:
            if len(row.token_ids) == 1 and self.lengths[row.slot]:
                self._caches[row.slot].values[:, : self.lengths[row.slot]] = 0.0
        return super().step(batch)


@fault("forks.are_apart_from_the_source")
class ForkIsAnAlias(ReferenceSession):
    def fork(self, source: int, target: int, length: int) -> None:
        super().fork(source, target, length)
        self._caches[target] = self._caches[source]


@fault("forks.continue_like_the_source")
class ForkTakesEverything(ReferenceSession):
    def fork(self, source: int, target: int, length: int) -> None:
        super().fork(source, target, self.length(source))


@fault("forks.continue_like_the_source")
class ForkKeepsWhatTheTargetHolds(ReferenceSession):
    def fork(self, source: int, target: int, length: int) -> None:
        held = self._caches[target].keys.copy(), self._caches[target].values.copy()
        holds_as_much = self.length(target) >= length
        super().fork(source, target, length)
        if holds_as_much:
            self._caches[target].keys[:], self._caches[target].values[:] = held


@fault("forks.decode_with_their_source")
class ForkForgetsTheLastLayer(ReferenceSession):
    def fork(self, source: int, target: int, length: int) -> None:
        super().fork(source, target, length)
        self._caches[target].keys[-1] = 0.0


@fault("forks.of_nothing_and_onto_itself")
class ForkOntoItselfEmpties(ReferenceSession):
    def fork(self, source: int, target: int, length: int) -> None:
        super().fork(source, target, 0 if source == target else length)


@fault("refused_input.forks")
class ForkTakesWhatThereIs(ReferenceSession):
    def fork(self, source: int, target: int, length: int) -> None:
        super().fork(source, target, min(length, self.length(source)))


@fault("refused_input.lengths")
class TruncateTakesWhatThereIs(ReferenceSession):
    def truncate(self, slot: int, length: int) -> None:
        super().truncate(slot, min(length, self.length(slot)))


@fault("refused_input.lengths")
class NegativeSlotsCountFromTheEnd(ReferenceSession):
    def length(self, slot: int) -> int:
        return super().length(slot % self.info.num_slots if slot < 0 else slot)


@fault("sessions.close_twice")
class ClosesOnce(ReferenceSession):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("already closed")
        self.closed = True
        super().close()


@fault("sessions.are_independent")
class SessionsShareTheirLengths(ReferenceSession):
    shared: ClassVar[list[int]] = [0] * 8

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.lengths = self.shared
        self.lengths[:] = [0] * 8


@fault("sessions.run_in_two_threads")
class SessionsShareABuffer(ReferenceSession):
    buffer: ClassVar[dict[str, Any]] = {}

    def step(self, batch: Batch) -> StepOutput:
        self.buffer["output"] = super().step(batch)
        time.sleep(0.002)
        output: StepOutput = self.buffer["output"]
        self.buffer["output"] = replace(output, logits=output.logits + 1)
        return output if len(batch) == 1 else self._twice(output)

    def _twice(self, output: StepOutput) -> StepOutput:
        time.sleep(0.002)
        shared: StepOutput = self.buffer["output"]
        return replace(output, logits=shared.logits)


@fault("sessions.free_their_memory")
class NeverForgotten(ReferenceSession):
    all: ClassVar[list[Any]] = []

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        # Mapped, because an array may come from memory that the process has freed and still holds.
        kept = mmap.mmap(-1, 1 << 18)
        kept.write(b"x" * (1 << 18))
        self.all.append(kept)

    def close(self) -> None:
        """Keep everything."""


class AltersVectors(ReferenceSession):
    """A base: ``alter`` says what becomes of the sound vectors."""

    def embed(self, batch: Any) -> Any:
        return self.alter(super().embed(batch), batch)

    def alter(self, vectors: Any, batch: Any) -> Any:
        return vectors


@fault("embeddings.form")
class VectorsInFloat64(AltersVectors):
    def alter(self, vectors: Any, batch: Any) -> Any:
        return vectors.astype(np.float64)


@fault("embeddings.form")
class NoTextsRaise(AltersVectors):
    def alter(self, vectors: Any, batch: Any) -> Any:
        return np.concatenate([vectors[[index]] for index in range(len(batch))])


@fault("embeddings.equal_alone")
class VectorsByLength(AltersVectors):
    def alter(self, vectors: Any, batch: Any) -> Any:
        return vectors[np.argsort([len(row) for row in batch], kind="stable")]


@fault("embeddings.equal_alone")
class PoolsOverPadding(AltersVectors):
    def alter(self, vectors: Any, batch: Any) -> Any:
        width = max((len(row) for row in batch), default=0)
        shifted = vectors + np.array([[1e-3 * (width - len(row))] for row in batch])
        return (shifted / np.linalg.norm(shifted, axis=1, keepdims=True)).astype(np.float32)


@fault("embeddings.equal_alone")
class LongVectorsByTheBatch(AltersVectors):
    """Far from any rounding, and 300 times as long as vectors usually are."""

    def alter(self, vectors: Any, batch: Any) -> Any:
        return vectors * np.float32(300 * (1 + 1e-3 * len(batch)))


@fault("embeddings.many_texts")
class OrderIsLostAfter64(AltersVectors):
    def alter(self, vectors: Any, batch: Any) -> Any:
        return np.concatenate([vectors[64:], vectors[:64]])


@fault("embeddings.follow_from_the_tokens")
class BagOfWords(ReferenceSession):
    def embed(self, batch: Any) -> Any:
        return super().embed([np.sort(row) for row in batch])


@fault("embeddings.unit_length")
class NotNormalised(AltersVectors):
    def alter(self, vectors: Any, batch: Any) -> Any:
        return vectors * np.float32(3.5)


@fault("embeddings.refuse_long_texts")
class CutsLongTexts(ReferenceSession):
    def embed(self, batch: Any) -> Any:
        return super().embed([row[: self.info.context_length] for row in batch])


@fault("embeddings.refuse_wrong_tokens")
class EmptyTextsAreZero(ReferenceSession):
    def embed(self, batch: Any) -> Any:
        return super().embed([row if len(row) else np.zeros(1, np.int64) for row in batch])


@fault("embeddings.refuse_wrong_tokens")
class EmbedIndexError(ReferenceSession):
    def embed(self, batch: Any) -> Any:
        try:
            return super().embed(batch)
        except BadInput as error:
            raise IndexError(str(error)) from error


@fault("embeddings.leave_the_slots_alone")
class EmbedsInSlot0(ReferenceSession):
    def embed(self, batch: Any) -> Any:
        self._caches[0].keys[:, :3] = 1.0
        return super().embed(batch)
