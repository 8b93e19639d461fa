"""The step loop: one thread that owns the session (hops 4 to 9)."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from jan_ort.engine.batch import Batch
from jan_ort.engine.batching import Batching
from jan_ort.engine.commands import Commands
from jan_ort.engine.detokenizer import TokenBytes
from jan_ort.engine.endings import Endings
from jan_ort.engine.engine_errors import EngineFailed, EngineStopped
from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import GenerationRequest
from jan_ort.engine.image_encoder import ImageEncoder
from jan_ort.engine.in_flight import Delivery, InFlight
from jan_ort.engine.making_room import make_room
from jan_ort.engine.masks import MaskWorker
from jan_ort.engine.model_runner import Computed, Failed, ModelRunner
from jan_ort.engine.placing import KEEP_S, keep_all
from jan_ort.engine.prefix_pool import PrefixPool
from jan_ort.engine.recovery import CLOSE_S, KILL_S, LOOK_S, Killable, Mortal, Recovery, Reopen
from jan_ort.engine.row_sampling import Sampled, sample_rows
from jan_ort.engine.scheduler import Scheduler
from jan_ort.engine.speculation.drafter import Drafter
from jan_ort.engine.speculation.speculation import Speculation
from jan_ort.engine.statistics import EngineLoad, load_of
from jan_ort.sampling.chain import Sampler
from jan_ort_backends import Capability, DeviceReport, Session

logger = logging.getLogger(__name__)


class Engine:
    """Continuous batching over one session.

    ``submit``, ``abort`` and ``close`` may be called from any thread; everything else happens in the engine's own.
    ``vocab_size`` is the number of ids that have a token, if a session has logits for more. ``max_queued`` bounds the
    sequences that are queued or running, of which one request counts as half at most; an idle engine takes any request.
    Each key has such a bound of its own.
    ``prefill_step_s`` is how long a prompt's chunk should hold others up at most.
    ``max_saved_bytes`` is what sequences may take that are set aside for others.
    ``pool`` keeps prefixes that slots have let go of, for a backend with ``STATE``.
    ``drafter`` guesses tokens, so that a step computes several of a sequence; for sessions that can be cut anywhere.
    ``reopen`` opens the session again after its device was lost; without it such a step fails like any other.
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
        prefill_step_s: float = math.inf,
        max_saved_bytes: float = math.inf,
        pool: PrefixPool | None = None,
        reopen: Reopen | None = None,
        drafter: Drafter | None = None,
    ) -> None:
        num_tokens = session.info.vocab_size if vocab_size is None else vocab_size
        batching = Batching.of(session.info, capabilities, longest_s=prefill_step_s, max_aside_bytes=max_saved_bytes)
        self.pool = pool if pool is not None and batching.can_save else PrefixPool(0)
        self._runner = ModelRunner(session, num_tokens, self.pool, can_interrupt=Capability.INTERRUPT in capabilities)
        self.images = ImageEncoder(lambda: self._runner.session)
        self._eos = frozenset(eos_token_ids)
        self._in_flight = InFlight(max_queued, tokens, deliver)
        self._scheduler = Scheduler(session.info.num_slots, batching, self.pool)
        self._sampler = Sampler(eos_token_ids)
        self._masks = MaskWorker()
        self._recovery = Recovery(reopen)
        self._endings = Endings(self._scheduler, self._in_flight, self._runner, self._recovery)
        self.statistics = self._in_flight.statistics
        self._speculation = Speculation(drafter, self._in_flight, batching, session.info.context_length)
        self._commands = Commands()
        self._lock = threading.Lock()
        self._closing = False  # guarded by the lock
        self._failure: BaseException | None = None  # guarded by the lock
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
            self._in_flight.admission.admit(request.id, len(request.prompts), request.owner)
            self._commands.put(lambda: self._add(request))  # under the lock: never after close() has let go of it

    def abort(self, request_id: str) -> None:
        """Forget a request in whatever phase it is, silently if it is over; a prefill of it alone is interrupted."""
        self._runner.abort(request_id)  # first: the command that forgets the request undoes it
        self._commands.put(lambda: self._endings.forget(request_id))

    def close(self, timeout_s: float = CLOSE_S) -> bool:
        """End every request with EngineStopped, end the thread and close the session. May be called twice.

        Returns whether the thread has ended: a session that hangs keeps it, unless it can be killed.
        """
        with self._lock:
            self._closing = True
        self._runner.stop()
        self._commands.put(lambda: None)
        if self._thread.ident is None:
            self._stop()
        else:
            session = self._runner.session
            kill_s = KILL_S + (KEEP_S if self.pool.is_stored else 0.0)
            self._thread.join(min(timeout_s, kill_s) if isinstance(session, Killable) else timeout_s)
            if self._thread.is_alive() and isinstance(session, Killable):
                session.kill()  # if it was gone by then, the thread is about to end
                self._speculation.kill()
                self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def num_queued(self) -> int:
        """The number of sequences that are queued or running."""
        return self._in_flight.admission.num_queued

    @property
    def load(self) -> EngineLoad:
        """How busy it is now."""
        return load_of(self._scheduler.running, self.num_queued, self._runner.session.info)

    @property
    def failure(self) -> EngineFailed | None:
        """What every request is told once the engine has ended by an error of its own, None until then."""
        with self._lock:
            return None if self._failure is None else EngineFailed(self._failure)

    @property
    def device(self) -> DeviceReport:
        """Where the model runs now; it may run elsewhere after its device was lost."""
        return self._runner.session.info.device

    def step(self) -> bool:
        """Compute one step: schedule, draft, forward, sample, post-process. Returns False when there was nothing to do.

        Of a draft, forward returns one token's logits after the other, while what was sampled is what was drafted.
        """
        self._make_room()
        batch = self._scheduler.schedule()
        if batch is None:
            return False
        started = time.perf_counter()
        for computed in self._forward(self._speculation.extend(batch)):
            sampled = self._sample(computed)
            self._scheduler.commit(computed.rows, time.perf_counter() - started)
            self._in_flight.deliver(self._post_process(sampled))
            started = time.perf_counter()
        return True

    def _run(self) -> None:
        # Here no signal arrives, so whatever is raised is a failure: a SystemExit and a native library's panic, too.
        busy = False
        try:
            while not self._closing:
                self._wait() if not busy else self._commands.carry_out(wait=False)
                busy = self.step() if self._recovery.unavailable is None else self._endings.recover()
        except BaseException as error:
            logger.exception("the engine stops after an error of its own")
            with self._lock:
                self._closing, self._failure = True, error
        try:
            self._stop()
        except BaseException:
            logger.exception("the engine has not stopped properly")

    def _wait(self) -> None:
        """Wait for work, and open the session again if it is lost meanwhile: whoever comes next does not pay for it."""
        looks_s = LOOK_S if isinstance(self._runner.session, Mortal) else None
        self._commands.carry_out(wait=True, timeout_s=self._recovery.wait_s or looks_s)
        session = None if self._closing else self._recovery.revive(self._runner.session)
        if session is not None:
            self._runner.take_over(session)
            self._scheduler.slots.clear()

    def _add(self, request: GenerationRequest) -> None:
        for sequence in self._in_flight.begin(request):
            self._scheduler.add(sequence)

    def _make_room(self) -> None:
        """Have a request that holds several slots give one up, while another one has none."""
        error = make_room(self._scheduler, self._runner, self.statistics)
        if error is not None:
            self._endings.lose(error)

    def _forward(self, batch: Batch) -> Iterator[Computed]:
        """Run the session, the grammars' masks beside it, and end what failed by itself."""
        self._masks.begin(self._in_flight.generations[row.sequence.id] for row in batch.rows if row.is_sampled)
        for part in self._runner.run(batch):
            self._masks.finish()
            if isinstance(part, Failed):
                self._endings.fail(part.sequences, part.error)
            else:
                yield from self._speculation.verify(part)
        self._masks.finish()  # an interrupted step has no part

    def _sample(self, computed: Computed) -> list[Sampled]:
        try:
            return sample_rows(self._sampler, computed.rows, computed.output, self._in_flight.generations)
        except BaseException as error:
            self._endings.fail([row.sequence for row in computed.rows], error)
            return []

    def _post_process(self, sampled: Sequence[Sampled]) -> list[tuple[Any, SequenceOutput]]:
        """Detokenize, look for the end, free the slots of what ended, and return the step's events."""
        events: list[tuple[Any, SequenceOutput]] = []
        now = time.perf_counter()
        for generation, drawn, logprobs in sampled:
            event = generation.accept(drawn, logprobs, self._eos)
            self.statistics.advance(generation, now)
            if event is None:
                continue
            events.append((generation.sink, event))
            if event.is_last:
                end = self._scheduler.finish if event.error is None else self._scheduler.fail
                end(generation.sequence)
                self._in_flight.drop(generation.sequence, event.finish_reason or "error")
        return events

    def _stop(self) -> None:
        """End what is left; each of the eight is done, whatever another one raises."""
        with ExitStack() as last_first:
            last_first.callback(self._speculation.close)
            last_first.callback(self._runner.session.close)
            last_first.callback(self.pool.close)
            last_first.callback(keep_all, self._scheduler.slots, self._runner.session, self.pool)
            last_first.callback(self.images.close, CLOSE_S)
            last_first.callback(self._masks.close)
            last_first.callback(lambda: self._in_flight.end_rest(self.failure or EngineStopped()))
            self._commands.carry_out(wait=False)
