"""A session around a plugin's own: what the plugin raises becomes a BackendError, and what it returns is checked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Backend, Capability, Embedded, OpenOptions, Session, SessionInfo, SlotTokens, StepOutput
from jan_ort_backends.checks import check_output, check_session, check_vectors
from jan_ort_backends.errors import BackendError, ModelError, Unsupported
from jan_ort_backends.failure_text import message_line, one_line
from jan_ort_backends.image_checks import check_image
from jan_ort_backends.images import Detail
from jan_ort_backends.states import State, check_state

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
CheckInfo = Callable[[Backend, SessionInfo], None]


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
        session, info, declared = self._session, self.info, self._capabilities
        return _guard(self._name, "step", lambda: check_output(session.step(batch), batch, info, declared))

    def length(self, slot: int) -> int:
        """Return the number of tokens in ``slot``."""
        return _guard(self._name, "length", lambda: self._session.length(slot))

    def truncate(self, slot: int, length: int) -> None:
        """Forget all but the first ``length`` tokens of ``slot``."""
        _guard(self._name, "truncate", lambda: self._session.truncate(slot, length))

    def fork(self, source: int, target: int, length: int) -> None:
        """Make ``target`` a copy of the first ``length`` tokens of ``source``."""
        _guard(self._name, "fork", lambda: self._session.fork(source, target, length))

    def save(self, slot: int) -> State:
        """Return what ``slot`` holds as bytes. Raises: BackendError."""
        return _guard(self._name, "save", lambda: check_state(self._session.save(slot)))

    def load(self, slot: int, state: State) -> None:
        """Make ``slot`` hold what was saved."""
        _guard(self._name, "load", lambda: self._session.load(slot, state))

    def interrupt(self) -> None:
        """End the running step, if any."""
        _guard(self._name, "interrupt", self._session.interrupt)

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return one checked vector per row. Raises: BackendError."""
        return _guard(self._name, "embed", lambda: check_vectors(self._session.embed(batch), len(batch), self.info))

    def encode_image(self, pixels: NDArray[np.uint8], detail: Detail = "auto") -> Embedded:
        """Return what stands in a prompt for an image, checked. Raises: BackendError."""
        images = self.info.images
        if images is None:
            raise Unsupported(Capability.IMAGES)
        size = self.info.vocab_size
        encode = self._session.encode_image
        return _guard(self._name, "encode_image", lambda: check_image(encode(pixels, detail), images, size))

    def close(self) -> None:
        """Free everything; a plugin that fails to is only logged."""
        _close(self._name, self._session)


def open_guarded(
    backend: Backend, model_dir: Path, options: OpenOptions, check_info: CheckInfo | None = None
) -> GuardedSession:
    """Open a session that keeps what its backend declares, and that checks and guards every later call.

    There is no time limit: a large model takes minutes. Raises: BackendError and its kinds, and nothing else.
    """
    session = _guard(backend.name, f"open of {model_dir}", lambda: backend.open(model_dir, options), ModelError)

    def check() -> GuardedSession:
        if check_info is not None and isinstance(session, Session):
            check_info(backend, session.info)
        check_session(backend, session)
        return GuardedSession(backend.name, session, session.info, backend.capabilities)

    try:
        return _guard(backend.name, "a session's info", check)
    except BackendError:
        if isinstance(session, Session):
            _close(backend.name, session)
        raise


def _guard(name: str, where: str, call: Callable[[], Result], kind: type[BackendError] = BackendError) -> Result:
    """Return what ``call`` returns. Raises: BackendError, which is a ``kind`` for whatever is none yet."""
    try:
        return call()
    except BackendError:
        raise
    except BaseException as error:  # SystemExit too: it would end the engine's thread, where no Ctrl-C arrives
        failure, message = f"backend {name!r} raised {type(error).__name__} in {where}", message_line(error)
        logger.error("%s", failure, exc_info=error)
        raise kind(f"{failure}: {message}" if message else failure) from error


def _close(name: str, session: Session) -> None:
    """Close a session of the backend ``name``; a failure is only logged, as nobody could do anything about it."""
    try:
        session.close()
    except BaseException as error:
        logger.warning("backend %s failed to close a session: %s", name, one_line(error), exc_info=error)
