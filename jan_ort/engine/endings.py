"""How sequences end that are not done: aborted, failed alone, or lost with the device (hop 6)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from jan_ort.engine.engine_errors import EngineError, step_failed
from jan_ort.engine.in_flight import InFlight
from jan_ort.engine.model_runner import ModelRunner
from jan_ort.engine.placing import PrefixLost
from jan_ort.engine.recovery import Recovery
from jan_ort.engine.scheduler import Scheduler
from jan_ort.engine.sequence import TokenSequence

logger = logging.getLogger(__name__)


class Endings:
    """Ends sequences before their time, and opens a lost session for the next ones; used by the engine's thread."""

    def __init__(self, scheduler: Scheduler, in_flight: InFlight, runner: ModelRunner, recovery: Recovery) -> None:
        self._scheduler = scheduler
        self._in_flight = in_flight
        self._runner = runner
        self._recovery = recovery

    def forget(self, request_id: str, reason: str = "abort") -> None:
        """Forget a request in whatever phase it is, silently if it is over."""
        for sequence in self._scheduler.abort(request_id):
            self._in_flight.drop(sequence, reason)
        self._runner.forget(request_id)

    def fail(self, sequences: Sequence[TokenSequence], error: BaseException) -> None:
        """End these sequences, and no other, with an error event; every one if the device was lost.

        One whose prefix could not be loaded has it computed instead.
        """
        if isinstance(error, PrefixLost):
            logger.warning("%s", error)
            for sequence in sequences:
                self._scheduler.place_again(sequence)
            return
        if self.lose(error):
            return
        for sequence in sequences:
            self._scheduler.fail(sequence)
        self._in_flight.fail(sequences, step_failed(error))

    def lose(self, error: BaseException) -> bool:
        """End every sequence if the device was lost; return whether it was."""
        lost = self._recovery.begin(error)
        if lost is not None:
            self._end_all(lost)
        return lost is not None

    def recover(self) -> bool:
        """Try to open the session again, if it is time to. Returns False: there is nothing to compute yet."""
        self._end_all(self._recovery.unavailable)  # what was submitted before the loss was known
        session = self._recovery.attempt(self._runner.session)
        if session is not None:
            self._runner.take_over(session)
        return False

    def _end_all(self, error: EngineError | None) -> None:
        """End every sequence, queued or running, and forget what the slots hold."""
        assert error is not None, "only while the device is unavailable"
        left = list(self._in_flight.generations.values())
        for generation in left:
            self.forget(generation.sequence.request_id, "error")
        self._scheduler.slots.clear()
        self._in_flight.tell(left, error)
