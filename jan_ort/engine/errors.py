"""Why the engine refuses or ends a request."""


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


class DeviceUnavailable(EngineError):
    """Raised when the device that computes the model was lost; ``retry_after_s`` is when it may be back."""

    def __init__(self, reason: str, *, retry_after_s: int = 5) -> None:
        super().__init__(f"the model's device was lost: {reason}; try again later")
        self.retry_after_s = retry_after_s
