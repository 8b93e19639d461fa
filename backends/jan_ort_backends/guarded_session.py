"""A session around a plugin's own: what the plugin raises becomes a BackendError, and what it returns is checked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends.checks import check_output, check_vectors
from jan_ort_backends.errors import BackendError
from jan_ort_backends.failure_text import message_line, one_line
from jan_ort_backends.interface import Capability, Session, SessionInfo, SlotTokens, StepOutput
from jan_ort_backends.interrupts import is_ctrl_c
from jan_ort_backends.sound_errors import sound_error

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class GuardedSession(Session):
    """Does what ``session`` of the backend ``name`` does, as far as that keeps the contract.

    ``info`` is what the session said of itself when it was checked, ``capabilities`` what the backend declares.
    """

    def __init__(self, name: str, session: Session, info: SessionInfo, capabilities: Collection[Capability]) -> None:
        self._name = name
        self._session = session
        self._capabilities = frozenset(capabilities)
        self.info = info

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run a step and check its output. Raises: BackendError."""
        output = self._guard("step", lambda: self._session.step(batch))
        return self._guard("step", lambda: check_output(output, batch, self.info, self._capabilities))

    def length(self, slot: int) -> int:
        """Return the number of tokens in ``slot``."""
        return self._guard("length", lambda: self._session.length(slot))

    def truncate(self, slot: int, length: int) -> None:
        """Forget all but the first ``length`` tokens of ``slot``."""
        self._guard("truncate", lambda: self._session.truncate(slot, length))

    def fork(self, source: int, target: int, length: int) -> None:
        """Make ``target`` a copy of the first ``length`` tokens of ``source``."""
        self._guard("fork", lambda: self._session.fork(source, target, length))

    def interrupt(self) -> None:
        """End the running step, if any."""
        self._guard("interrupt", self._session.interrupt)

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return one checked vector per row. Raises: BackendError."""
        vectors = self._guard("embed", lambda: self._session.embed(batch))
        return self._guard("embed", lambda: check_vectors(vectors, len(batch), self.info))

    def close(self) -> None:
        """Free everything; a plugin that fails to is only logged."""
        close_session(self._name, self._session)

    def _guard(self, method: str, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except BackendError as error:
            raise sound_error(error) from error
        except BaseException as error:  # SystemExit too: it would end the engine's thread without a word
            if is_ctrl_c(error):
                raise
            logger.error("backend %s failed in %s", self._name, method, exc_info=error)
            kind, message = type(error).__name__, message_line(error)
            said = f": {message}" if message else ""
            raise BackendError(f"backend {self._name!r} raised {kind} in {method}{said}") from error


def close_session(name: str, session: Session) -> None:
    """Close a session of the backend ``name``; a failure is only logged, as nobody could do anything about it."""
    try:
        session.close()
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        logger.warning("backend %s failed to close a session: %s", name, one_line(error), exc_info=error)
