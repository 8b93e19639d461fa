"""A session around a plugin's own: what the plugin raises becomes a BackendError, and what it returns is checked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import (
    Backend,
    BackendError,
    Capability,
    DeviceReport,
    ModelError,
    OpenOptions,
    Session,
    SessionInfo,
    SlotTokens,
    StepOutput,
    check_session,
)
from jan_ort_backends.checks import check_output, check_vectors
from jan_ort_backends.failure_text import message_line, one_line

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_SIZES = ("vocab_size", "context_length", "num_slots", "embedding_size")


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
        return self._guard("step", lambda: check_output(session.step(batch), batch, info, declared))

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
        return self._guard("embed", lambda: check_vectors(self._session.embed(batch), len(batch), self.info))

    def close(self) -> None:
        """Free everything; a plugin that fails to is only logged."""
        _close(self._name, self._session)

    def _guard(self, method: str, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except BackendError:
            raise
        except BaseException as error:  # SystemExit too: it would end the engine's thread, where no Ctrl-C arrives
            logger.error("backend %s failed in %s", self._name, method, exc_info=error)
            kind, message = type(error).__name__, message_line(error)
            said = f": {message}" if message else ""
            raise BackendError(f"backend {self._name!r} raised {kind} in {method}{said}") from error


def open_session(backend: Backend, model_dir: Path, options: OpenOptions) -> Session:
    """Open a session that keeps what its backend declares, and that checks and guards every later call.

    There is no time limit: a large model takes minutes. Raises: BackendError and its kinds, and nothing else.
    """
    try:
        session = backend.open(model_dir, options)
    except BackendError:
        raise
    except MemoryError as error:
        raise ModelError(
            f"backend {backend.name!r} has no memory for {model_dir}; free some, or ask for less"
        ) from error
    except BaseException as error:
        logger.error("backend %s failed to open %s", backend.name, model_dir, exc_info=error)
        raise ModelError(f"backend {backend.name!r} failed to open {model_dir}: {one_line(error)}") from error
    try:
        return _checked(backend, session)
    except BaseException as error:  # ``info`` may be the plugin's code
        if isinstance(session, Session):
            _close(backend.name, session)
        if isinstance(error, BackendError):
            raise
        logger.error("a session of backend %s cannot be checked", backend.name, exc_info=error)
        raise BackendError(f"a session of backend {backend.name!r} cannot be checked: {one_line(error)}") from error


def _checked(backend: Backend, session: Session) -> GuardedSession:
    """Return a session that is what its backend declares, guarded. Raises: BackendError."""
    info = session.info if isinstance(session, Session) else None
    if info is not None and (fault := _fault(info, Capability.GENERATE in backend.capabilities)):
        raise BackendError(f"the info of a session of backend {backend.name!r} is wrong: {fault}")
    check_session(backend, session)
    return GuardedSession(backend.name, session, session.info, backend.capabilities)


def _fault(info: SessionInfo, generates: bool) -> str:
    """Return what cannot be true of what a session says of itself; the server sizes everything by it."""
    if not isinstance(info, SessionInfo):
        return f"it is a {type(info).__name__}; it must be a SessionInfo"
    for name in _SIZES:
        size = getattr(info, name)
        if type(size) is not int or size < 0:  # no bool and no numpy integer: JSON tells clients
            return f"{name} is {size!r:.80}; it must be an int from 0"
        if size == 0 and generates and info.vocab_size and name in ("context_length", "num_slots"):
            return f"{name} is 0; to generate it must be at least 1"
    if not isinstance(info.weights_hash, str):
        return f"weights_hash is {info.weights_hash!r:.80}; it must be a text"
    return _device_fault(info.device)


def _device_fault(device: DeviceReport) -> str:
    if not isinstance(device, DeviceReport):
        return f"device is a {type(device).__name__}; it must be a DeviceReport"
    if not isinstance(device.nodes, Mapping) or not isinstance(device.declined, Mapping):
        return "the nodes and declined of device must be mappings"
    texts = [device.requested, device.used, *device.registered, *device.nodes, *device.declined]
    if not all(isinstance(text, str) for text in (*texts, *device.declined.values())):
        return f"device has names that are no texts: {device!r:.200}"
    if not all(type(count) is int for count in device.nodes.values()):
        return f"the nodes of device are {dict(device.nodes)!r:.80}; each must be an int"
    return ""


def _close(name: str, session: Session) -> None:
    """Close a session of the backend ``name``; a failure is only logged, as nobody could do anything about it."""
    try:
        session.close()
    except BaseException as error:
        logger.warning("backend %s failed to close a session: %s", name, one_line(error), exc_info=error)
