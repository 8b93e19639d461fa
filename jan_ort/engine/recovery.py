"""What becomes of an engine whose device was lost: its session is closed and opened anew (hop 6)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from jan_ort.engine.engine_errors import DeviceUnavailable
from jan_ort_backends import BackendError, DeviceLost, Session, SessionInfo

logger = logging.getLogger(__name__)

Reopen = Callable[[], Session]
"""Opens the model again. Raises: BackendError."""

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
_RETRY_AFTER_S = 5.0

CLOSE_S = 10.0
"""How long a backend that does not come back is waited for when its model is closed."""


@runtime_checkable
class Killable(Protocol):
    """A session that any thread can end at once; the call that runs in it raises DeviceLost then."""

    def kill(self) -> bool:
        """End it, and return whether that can be done."""


def kill(session: Session) -> bool:
    """End what a session does, from any thread, if that can be done; return whether."""
    return isinstance(session, Killable) and session.kill()


KILL_S = 2.0
"""How long such a session is waited for when its model is closed: its requests have been told, so nothing is lost."""


@runtime_checkable
class Mortal(Protocol):
    """A session that may be lost while nothing runs in it."""

    def loss(self) -> DeviceLost | None:
        """Return what the next call would raise; quick."""


LOOK_S = 1.0
"""How often an engine without work looks whether such a session is still there."""


class Recovery:
    """Where the recovery of one engine stands; used by the engine's thread, but for ``unavailable``.

    A loss that opening again cannot mend stays for good. One soon after the last goes on with its delays: what is lost
    again and again is not opened at every request.
    """

    def __init__(self, reopen: Reopen | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._reopen = reopen
        self._clock = clock
        self._hopeless = False
        self._delay_s = FIRST_DELAY_S
        self._next_attempt = 0.0
        self._reopened_at = -math.inf
        self._reason: str | None = None
        self._is_reviving = False

    @property
    def unavailable(self) -> DeviceUnavailable | None:
        """What requests are answered while the device is away; None while it is there. May be read by any thread."""
        if (reason := self._reason) is None or self._is_reviving:
            return None
        wait_s = 60.0 if self._hopeless else max(_RETRY_AFTER_S, self._next_attempt - self._clock())
        return DeviceUnavailable(reason, retry_after_s=math.ceil(wait_s))

    def begin(self, error: BaseException) -> DeviceUnavailable | None:
        """Note a failed step; return what its sequences are told if it lost the device, None if it did not."""
        if self._reopen is None or not isinstance(error, DeviceLost):
            return None
        self._hopeless = not error.recoverable
        now = self._clock()
        if now - self._reopened_at > LONGEST_DELAY_S:
            self._delay_s, self._next_attempt = FIRST_DELAY_S, now
        else:
            self._put_off()
        self._reason = str(error)
        logger.error("the device was lost (%s): %s", "for good" if self._hopeless else "its model is reopened", error)
        return self.unavailable

    def revive(self, session: Session) -> Session | None:
        """Open a session again that was lost while nothing ran in it, if it was; requests wait for it meanwhile."""
        loss = session.loss() if self._reopen is not None and isinstance(session, Mortal) else None
        if loss is None or self._reason is not None:
            return None
        self._is_reviving = True
        try:
            self.begin(loss)
            return self.attempt(session)
        finally:
            self._is_reviving = False

    @property
    def wait_s(self) -> float | None:
        """The time until the next attempt; None if there will be none."""
        if self._reason is None or self._hopeless:
            return None
        return max(0.0, self._next_attempt - self._clock())

    def attempt(self, lost: Session) -> Session | None:
        """Close the lost session and return a new one of the same size; None if it is not time yet or that failed."""
        assert self._reopen is not None, "begin() does nothing without it"
        if self.wait_s is None or self.wait_s > 0:
            return None
        try:
            lost.close()  # first: what the old session holds of the device keeps a new one from being made
            session = self._reopen()
            _check_size(lost.info, session)
        except Exception as error:  # a driver that restarts fails in many ways; only success ends the attempts
            logger.warning("the model cannot be reopened yet: %s", error)
            self._put_off()
            return None
        self._reason, self._reopened_at = None, self._clock()
        logger.info("the model is open again, on %s", session.info.device.used)
        return session

    def _put_off(self) -> None:
        self._next_attempt = self._clock() + self._delay_s
        self._delay_s = min(2 * self._delay_s, LONGEST_DELAY_S)


def _check_size(lost: SessionInfo, session: Session) -> None:
    """Close and refuse a session that is not what the scheduler and the tokenizer were made for."""
    found = session.info
    sizes = (lost.num_slots, lost.context_length, lost.vocab_size, lost.num_checkpoints)
    if (found.num_slots, found.context_length, found.vocab_size, found.num_checkpoints) != sizes:
        session.close()
        raise BackendError(f"it has {found.num_slots} slots of {found.context_length} tokens now; restart the server")
