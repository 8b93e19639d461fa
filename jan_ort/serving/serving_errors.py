"""Why a model cannot be lent. What a client is told of it stands in the table of ``jan_ort.http.error_table``."""

from __future__ import annotations

from collections.abc import Sequence

from jan_ort.ground.task import Task


class ServingError(Exception):
    """Raised when a request gets no model; the base of every error below."""


class NotServing(ServingError):
    """Raised while nothing can be served: loading, failed or stopping, which ``status`` says."""

    retry_after_s = 2

    def __init__(self, status: str, failure: Exception | None, stage: str = "") -> None:
        doing = f"the server is {status}" + (f": {stage}" if stage else "")
        super().__init__(f"loading failed: {failure}" if failure else doing)
        self.status = status


class NoModelForTask(ServingError):
    """Raised when no model is configured for what a request wants, which is ``task``."""

    def __init__(self, task: Task) -> None:
        super().__init__(f"no {task.kind} model is configured; start the server with {task.option}")
        self.task = task


class ModelNotNamed(ServingError):
    """Raised when a request names no model where each must."""

    def __init__(self) -> None:
        super().__init__("model is missing; name one of /v1/models")


class ModelNotFound(ServingError):
    """Raised when no model has the name that a request gives."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        names = ", ".join(dict.fromkeys(map(repr, known)))
        super().__init__(f"there is no model {name[:100]!r}; served: {names}")


class ModelUnavailable(ServingError):
    """Raised when a model cannot be loaded; the next request after ``retry_after_s`` tries again."""

    def __init__(self, name: str, failure: Exception, retry_after_s: float) -> None:
        super().__init__(f"the model {name!r} cannot be loaded: {failure}")
        self.retry_after_s = retry_after_s
