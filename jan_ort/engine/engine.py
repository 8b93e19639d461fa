"""The step loop: one thread that owns the session (hops 4 to 9)."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from jan_ort.engine.detokenizer import TokenBytes
from jan_ort.engine.errors import EngineError, EngineFailed, EngineStopped, QueueFull, StepFailed
from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import Generation, GenerationRequest
from jan_ort.engine.masks import MaskWorker
from jan_ort.engine.recovery import Recovery, Reopen
from jan_ort.engine.row_sampling import Sampled, sample_rows, within_vocabulary
from jan_ort.engine.scheduler import Batch, Batching, Row, Scheduler
from jan_ort.engine.sequence import Sequence as TokenSequence
from jan_ort.sampling.chain import Sampler
from jan_ort_backends import BackendError, Capability, DeviceReport, Interrupted, Session, SlotTokens, StepOutput

logger = logging.getLogger(__name__)

CLOSE_S = 10.0
"""How long a backend that does not come back is waited for when its model is closed."""

Delivery = Callable[[Sequence[tuple[Any, SequenceOutput]]], None]
"""Takes one step's events, each with its request's sink; called from the engine's thread, once a step at most."""


class Engine:
    """Continuous batching over one session.

    ``submit``, ``abort`` and ``close`` may be called from any thread; everything else happens in the engine's own.
    ``vocab_size`` is the number of ids that have a token, if a session has logits for more. ``max_queued`` bounds the
    sequences that are queued or running; an idle engine takes any request. ``reopen`` opens the session again after its
    device was lost; without it such a step fails like any other.
    """

    def __init__(
        self,
        session: Session,
        *,
        capabilities: Collection[Capability],
        tokens: TokenBytes,
        eos_token_ids: Sequence[int],
        deliver: Delivery,
        vocab_size: int | None = None,
        max_queued: int = 512,
        reopen: Reopen | None = None,
    ) -> None:
        self._session = session
        self._can_interrupt = Capability.INTERRUPT in capabilities
        self._tokens = tokens
        self._vocab_size = session.info.vocab_size if vocab_size is None else vocab_size
        self._eos = frozenset(eos_token_ids)
        self._deliver = deliver
        self._max_queued = max_queued
        batching = Batching(mixed=Capability.MIXED_BATCH in capabilities, can_fork=Capability.FORK in capabilities)
        self._scheduler = Scheduler(session.info.num_slots, batching)
        self._sampler = Sampler(eos_token_ids)
        self._masks = MaskWorker()
        self._recovery = Recovery(reopen)
        self._generations: dict[int, Generation] = {}  # by sequence id
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._num_queued = 0  # guarded by the lock
        self._closing = False  # guarded by the lock
        self._failure: Exception | None = None  # guarded by the lock
        self._interrupting = False  # whether the running step was interrupted by us; guarded by the lock
        self._prefilling: str | None = None  # the request that alone is being prefilled; guarded by the lock
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Start the engine's thread."""
        self._thread.start()

    def submit(self, request: GenerationRequest) -> None:
        """Queue a request. Raises: QueueFull, EngineStopped, EngineFailed, DeviceUnavailable."""
        with self._lock:
            if self._failure is not None:
                raise EngineFailed(self._failure)
            if self._closing:
                raise EngineStopped
            if (unavailable := self._recovery.unavailable) is not None:
                raise unavailable
            if self._num_queued and self._num_queued + len(request.prompts) > self._max_queued:
                raise QueueFull(self._num_queued, self._max_queued)
            self._num_queued += len(request.prompts)
            self._commands.put(lambda: self._add(request))  # under the lock: never after close() has let go of it

    def abort(self, request_id: str) -> None:
        """Forget a request in whatever phase it is, silently if it is over; a prefill of it alone is interrupted."""
        self._commands.put(lambda: self._forget(request_id))
        with self._lock:
            if self._prefilling == request_id:
                self._interrupt()

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """End every request with EngineStopped, end the thread and close the session. May be called twice."""
        with self._lock:
            self._closing = True
            if self._prefilling is not None:
                self._interrupt()
        self._commands.put(lambda: None)
        if self._thread.ident is None:
            self._stop()
        else:
            self._thread.join(timeout_s)

    @property
    def num_queued(self) -> int:
        """The number of sequences that are queued or running."""
        with self._lock:
            return self._num_queued

    @property
    def device(self) -> DeviceReport:
        """Where the model runs now; it may run elsewhere after its device was lost."""
        return self._session.info.device

    def step(self) -> bool:
        """Compute one step: schedule, forward, sample, post-process. Returns False when there was nothing to do."""
        batch = self._scheduler.schedule()
        if batch is None:
            return False
        try:
            output = self._forward(batch)
            sampled = sample_rows(self._sampler, batch, output, self._generations)
        except Exception as error:
            if isinstance(error, Interrupted) and self._interrupting:
                return True  # nothing was computed; whoever interrupted has put an abort into the queue
            self._fail(batch, error)
            return True
        self._scheduler.commit(batch)
        self._deliver(self._post_process(sampled))
        return True

    def _run(self) -> None:
        busy = False
        try:
            while not self._closing:
                self._take_commands(wait=not busy, timeout_s=self._recovery.wait_s)
                busy = self.step() if self._recovery.unavailable is None else self._recover()
        except Exception as error:
            logger.exception("the engine stops after an error of its own")
            with self._lock:
                self._closing, self._failure = True, error
        self._stop()

    def _interrupt(self) -> None:
        """End the running step early, where the backend can; the lock is held."""
        if self._can_interrupt:
            self._interrupting = True
            self._session.interrupt()

    def _take_commands(self, *, wait: bool, timeout_s: float | None = None) -> None:
        try:
            command = self._commands.get(block=wait, timeout=timeout_s)
            while True:
                command()
                command = self._commands.get_nowait()
        except queue.Empty:
            return

    def _add(self, request: GenerationRequest) -> None:
        for prompt in request.prompts:
            sequence = TokenSequence(
                prompt.token_ids, request.id, prompt.index, wants_prompt_logits=request.prompt_logprobs
            )
            generation = Generation(
                sequence,
                prompt.params,
                self._tokens,
                sink=request.sink,
                choice=prompt.choice,
                stream=request.stream,
                constraint=None if prompt.grammar is None else prompt.grammar.start(),
                shown_token_ids=prompt.shown_token_ids,
            )
            self._generations[sequence.id] = generation
            self._scheduler.add(sequence)

    def _forget(self, request_id: str) -> None:
        for sequence in self._scheduler.abort(request_id):
            self._drop(sequence)

    def _drop(self, sequence: TokenSequence) -> Generation:
        with self._lock:
            self._num_queued -= 1
        return self._generations.pop(sequence.id)

    def _forward(self, batch: Batch) -> StepOutput:
        """Carry out the placements and run the session once."""
        for placement, _ in batch.placements:
            if placement.source != placement.slot:
                self._session.fork(placement.source, placement.slot, placement.length)
            else:
                self._session.truncate(placement.slot, placement.length)
        requests = {row.sequence.request_id for row in batch.rows}
        alone = next(iter(requests)) if len(requests) == 1 and batch.rows[0].num_tokens > 1 else None
        with self._lock:
            self._prefilling, self._interrupting = alone, False
        self._masks.begin(self._generations[row.sequence.id] for row in batch.rows if row.is_sampled)
        try:
            output = self._session.step([_slot_tokens(row) for row in batch.rows])
            return within_vocabulary(output, self._vocab_size)
        finally:
            self._masks.finish()
            with self._lock:
                self._prefilling = None

    def _post_process(self, sampled: Sequence[Sampled]) -> list[tuple[Any, SequenceOutput]]:
        """Detokenize, look for the end, free the slots of what ended, and return the step's events."""
        events: list[tuple[Any, SequenceOutput]] = []
        for generation, token_id, logprobs in sampled:
            event = generation.accept(token_id, logprobs, self._eos)
            if event is None:
                continue
            events.append((generation.sink, event))
            if event.is_last:
                self._scheduler.finish(generation.sequence)
                self._drop(generation.sequence)
        return events

    def _fail(self, batch: Batch, error: Exception) -> None:
        """End every sequence of the batch, and no other, with an error event; every one if the device was lost."""
        lost = self._recovery.begin(error)
        if lost is not None:
            self._end_all(lost)
            return
        if isinstance(error, BackendError):
            logger.warning("the backend failed in a step: %s", error)
        else:
            logger.error("a step failed", exc_info=error)
        failed = StepFailed(f"the backend failed: {error}")
        failed.__cause__ = error
        touched = {row.sequence.id: row.sequence for row in batch.rows}
        touched |= {sequence.id: sequence for _, sequence in batch.placements}
        events = []
        for sequence in touched.values():
            self._scheduler.fail(sequence)
            generation = self._drop(sequence)
            events.append((generation.sink, generation.fail(failed)))
        self._deliver(events)

    def _recover(self) -> bool:
        """Try to open the session again, if it is time to. Returns False: there is nothing to compute yet."""
        self._end_all(self._recovery.unavailable)  # what was submitted before the loss was known
        session = self._recovery.attempt(self._session)
        if session is not None:
            self._session = session
        return False

    def _end_all(self, error: EngineError | None) -> None:
        """End every sequence, queued or running, and forget what the slots hold."""
        assert error is not None, "only while the device is unavailable"
        events = []
        for generation in list(self._generations.values()):
            events.append((generation.sink, generation.fail(error)))
            self._forget(generation.sequence.request_id)
        self._scheduler.slots.clear()
        if events:
            self._deliver(events)

    def _stop(self) -> None:
        self._take_commands(wait=False)
        ended = EngineStopped() if self._failure is None else EngineFailed(self._failure)
        events = [(generation.sink, generation.fail(ended)) for generation in self._generations.values()]
        self._generations.clear()
        with self._lock:
            self._num_queued = 0
        if events:
            self._deliver(events)
        self._masks.close()
        self._session.close()


def _slot_tokens(row: Row) -> SlotTokens:
    """Return the backend's form of a row: the next tokens of the prompt, or the one that was sampled last."""
    sequence = row.sequence
    assert sequence.slot is not None, "a scheduled row has a slot"
    if sequence.is_prefilled:
        token_ids = np.array(sequence.tail[-1:], dtype=np.int64)
    else:
        token_ids = sequence.prompt[sequence.num_computed : sequence.num_computed + row.num_tokens]
    return SlotTokens(sequence.slot, token_ids, row.num_logits)
