"""Runs the session for the engine's thread, and lets any other thread end a prefill early (hops 6 and 10)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jan_ort.engine.batch import Batch, Row
from jan_ort.engine.embedded import row_of
from jan_ort.engine.placing import carry_out
from jan_ort.engine.prefix_pool import PrefixPool
from jan_ort.engine.row_sampling import within_vocabulary
from jan_ort.engine.sequence import TokenSequence
from jan_ort_backends import BackendError, DeviceLost, Interrupted, Session, SlotTokens, State, StepOutput

logger = logging.getLogger(__name__)

INTERRUPT_AGAIN_S = 0.05
"""An interrupt that comes before the backend has begun its step is lost, by contract; so it is repeated."""


class _Prefill:
    """A running step that computes the prompt of one request alone: whoever aborts that request ends it early."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.is_interrupted = False
        self.has_ended = threading.Event()


class Computed(NamedTuple):
    """Rows that the session has computed, and their logits, which are valid until the next part is asked for."""

    rows: tuple[Row, ...]
    output: StepOutput
    taken_s: float = 0.0


class Failed(NamedTuple):
    """Sequences whose slots could not be filled or computed, and why: what these slots hold is in doubt."""

    sequences: list[TokenSequence]
    error: BaseException


class ModelRunner:
    """Owns ``session``, whose model has logits for ``vocab_size`` tokens that exist.

    ``abort`` and ``stop`` may be called from any thread, the rest from the engine's only.
    """

    def __init__(self, session: Session, vocab_size: int, pool: PrefixPool, *, can_interrupt: bool) -> None:
        self.session = session
        self._pool = pool
        self._vocab_size = vocab_size
        self._can_interrupt = can_interrupt
        self._lock = threading.Lock()
        self._prefill: _Prefill | None = None  # the running step, if it may be interrupted; guarded by the lock
        self._aborted: set[str] = set()  # requests that the engine's thread has not forgotten yet; guarded by the lock
        self._is_stopping = False  # guarded by the lock

    def run(self, batch: Batch) -> Iterator[Computed | Failed]:
        """Carry out the placements and run the session; nothing comes of a step that an abort has ended.

        A step that fails is run again row by row, so that only the rows fail which do so by themselves. Whoever takes
        a failure has ended its sequences before the next part, and all of them where the device was lost.
        """
        if batch.placements:
            yield from self._place(batch)
        for rows in batch.calls:
            yield from self._call(tuple(row for row in rows if row.sequence.slot is not None))

    def _call(self, rows: tuple[Row, ...]) -> Iterator[Computed | Failed]:
        part = self._step(rows) if rows else None
        if isinstance(part, Failed) and len(rows) > 1 and not isinstance(part.error, DeviceLost):
            logger.warning("a step of %d sequences failed, and each is tried alone: %s", len(rows), part.error)
            yield from self._each_alone(rows)
        elif part is not None:
            yield part
            yield from self._take_back(rows)

    def _place(self, batch: Batch) -> Iterator[Failed]:
        """Make each placement's slot hold what it is to."""
        failed: dict[int, BaseException] = {}
        for placement, sequence in batch.placements:
            if sequence.slot is None:
                return  # every sequence has ended: the device was lost
            try:
                if placement.source in failed:
                    raise failed[placement.source]
                carry_out(placement, self.session, self._pool)
            except BaseException as error:
                failed[placement.slot] = error
                yield Failed([sequence], error)

    def _take_back(self, rows: Sequence[Row]) -> Iterator[Failed]:
        """Cut off the slots what their sequences have not taken of their drafts."""
        for row in rows:
            sequence = row.sequence
            if not row.draft or sequence.slot is None:
                continue  # the next one in the slot of a sequence that has ended cuts it
            try:
                self.session.truncate(sequence.slot, sequence.num_computed)
            except BaseException as error:
                yield Failed([sequence], error)

    def take_over(self, session: Session) -> None:
        """Go on with a session that was opened anew; it may run elsewhere, where other bits are computed."""
        if session.info.state_key != self.session.info.state_key:
            self._pool.clear()
        self.session = session

    def save(self, sequence: TokenSequence) -> State | None:
        """Return what the slot of a sequence holds, None if nothing of it is computed. Raises what the session does."""
        if not sequence.num_computed:
            return None
        assert sequence.slot is not None, "only a running sequence is saved"
        self.session.truncate(sequence.slot, sequence.num_computed)
        return self.session.save(sequence.slot)

    def _each_alone(self, rows: Sequence[Row]) -> Iterator[Computed | Failed]:
        """Run the rows of a failed step one by one, each on what its slot held before that step."""
        for row in rows:
            sequence = row.sequence
            if sequence.slot is None:
                return  # every sequence has ended: the device was lost
            try:
                self.session.truncate(sequence.slot, sequence.num_computed)
            except BaseException as error:
                yield Failed([sequence], error)
                continue
            part = self._step((row,))
            if part is not None:
                yield part
                yield from self._take_back((row,))

    def _step(self, rows: tuple[Row, ...]) -> Computed | Failed | None:
        """Run the session once; None if an abort or the stop has kept it from computing anything."""
        prefill = _prefill_of(rows)
        if prefill is not None and not self._begin(prefill):
            return None
        started = time.perf_counter()
        try:
            output = self.session.step([_slot_tokens(row) for row in rows])
            taken_s = time.perf_counter() - started
            return Computed(rows, within_vocabulary(output, self._vocab_size), taken_s)
        except BaseException as error:
            if isinstance(error, Interrupted) and prefill is not None and prefill.is_interrupted:
                return None
            return Failed([row.sequence for row in rows], error)
        finally:
            if prefill is not None:
                self._end(prefill)

    def abort(self, request_id: str) -> None:
        """End a step that computes this request's prompt alone, and begin no other until it is forgotten."""
        with self._lock:
            self._aborted.add(request_id)
            if self._prefill is not None and self._prefill.request_id == request_id:
                self._interrupt(self._prefill)

    def forget(self, request_id: str) -> None:
        """Note that the scheduler has nothing more of the request."""
        with self._lock:
            self._aborted.discard(request_id)

    def stop(self) -> None:
        """End a step that computes one prompt alone, and begin no other."""
        with self._lock:
            self._is_stopping = True
            if self._prefill is not None:
                self._interrupt(self._prefill)

    def _begin(self, prefill: _Prefill) -> bool:
        with self._lock:
            if self._is_stopping or prefill.request_id in self._aborted:
                return False
            self._prefill = prefill
            return True

    def _end(self, prefill: _Prefill) -> None:
        with self._lock:
            self._prefill = None
        prefill.has_ended.set()

    def _interrupt(self, prefill: _Prefill) -> None:
        """Interrupt a running step until it ends; the lock is held."""
        if self._can_interrupt and not prefill.is_interrupted:
            prefill.is_interrupted = True
            self._interrupt_session()
            threading.Thread(target=self._repeat, args=(prefill,), name="interrupt", daemon=True).start()

    def _repeat(self, prefill: _Prefill) -> None:
        while not prefill.has_ended.wait(INTERRUPT_AGAIN_S):
            with self._lock:
                if self._prefill is prefill:
                    self._interrupt_session()

    def _interrupt_session(self) -> None:
        try:
            self.session.interrupt()
        except BackendError as error:  # whoever aborts has nothing to do with it, and the step ends by itself
            logger.warning("the backend failed to interrupt a step: %s", error)


def _prefill_of(rows: Sequence[Row]) -> _Prefill | None:
    """Return the interruptible step that these rows are, None if they are of several requests or decode."""
    request_ids = {row.sequence.request_id for row in rows}
    return _Prefill(request_ids.pop()) if len(request_ids) == 1 and rows[0].num_tokens > 1 else None


def _slot_tokens(row: Row) -> SlotTokens:
    """Return the backend's form of a row: the next tokens of the prompt, or the one sampled last and its draft."""
    sequence = row.sequence
    assert sequence.slot is not None, "a scheduled row has a slot"
    if sequence.is_prefilled:
        token_ids = np.array([sequence.tail[-1], *row.draft], dtype=np.int64)
        return SlotTokens(sequence.slot, token_ids, row.num_logits, row.keep)
    begin = sequence.num_computed
    token_ids, runs = row_of(sequence.prompt, sequence.embedded, begin, begin + row.num_tokens)
    return SlotTokens(sequence.slot, token_ids, row.num_logits, row.keep, runs)
