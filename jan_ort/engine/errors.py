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


class StepFailed(EngineError):
    """Raised when the backend failed while it computed this request."""


class DeviceUnavailable(EngineError):
    """Raised when the device that computes the model was lost; ``retry_after_s`` is when it may be back."""

    def __init__(self, reason: str, *, retry_after_s: int = 5) -> None:
        super().__init__(f"the model's device was lost: {reason}; try again later")
        self.retry_after_s = retry_after_s
