"""Why the engine refuses or ends a request."""

from __future__ import annotations

import logging

from jan_ort.structured.grammar_errors import ConstraintFailed
from jan_ort_backends import BackendError

logger = logging.getLogger(__name__)


class EngineError(Exception):
    """Raised when the engine cannot take or finish a request; the base of the errors below."""


class QueueFull(EngineError):
    """Raised when more sequences wait than the server is configured to hold; try again after ``retry_after_s``."""

    def __init__(self, num_waiting: int, limit: int, *, retry_after_s: int = 1) -> None:
        super().__init__(f"{num_waiting} sequences are queued or running and the limit is {limit}; try again later")
        self.retry_after_s = retry_after_s


class EngineStopped(EngineError):
    """Raised when the server shuts down before the request is finished."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class EngineFailed(EngineError):
    """Raised when the engine has ended by an error of its own, and computes nothing for this model any more."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(
            f"the engine of this model has failed ({type(cause).__name__}): unload the model (POST /models/unload) and "
            "ask again, or restart the server; the log says more"
        )


class StepFailed(EngineError):
    """Raised when the backend failed while it computed this request."""


class SequenceFailed(EngineError):
    """Raised when the server's own work on one sequence failed: its grammar, its sampling or its text."""

    def __init__(self) -> None:
        super().__init__("internal error; the server's log has the details")


class DeviceUnavailable(EngineError):
    """Raised when the device that computes the model was lost; ``retry_after_s`` is when it may be back."""

    def __init__(self, reason: str, *, retry_after_s: int = 5) -> None:
        super().__init__(f"the model's device was lost: {reason}; try again later")
        self.retry_after_s = retry_after_s


def as_told(error: BaseException) -> Exception:
    """Return what a request is told of the error that ended it alone, and log one that is not its own doing.

    ``error`` may be any: in the engine's thread, where no signal arrives, a SystemExit or a native library's panic
    is a failure like others.
    """
    if isinstance(error, (EngineError, ConstraintFailed)):
        return error
    if isinstance(error, BackendError):
        return step_failed(error)
    logger.error("a sequence failed", exc_info=error)
    told = SequenceFailed()
    told.__cause__ = error
    return told


def step_failed(error: BaseException) -> StepFailed:
    """Log what a backend has raised in a step or returned from it, and return what its requests are told."""
    if isinstance(error, BackendError):
        logger.warning("the backend failed in a step: %s", error)
    else:
        logger.error("a step failed", exc_info=error)
    told = StepFailed(f"the backend failed: {error}")
    told.__cause__ = error
    return told
