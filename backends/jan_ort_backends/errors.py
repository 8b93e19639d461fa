"""The typed errors that a backend may raise; the server maps each to one HTTP status.

A field has a value in its class, too, for a plugin's subclass whose constructor leaves it out.
"""


class BackendError(Exception):
    """Raised when a backend cannot do what was asked; the base of every error below."""


class Unsupported(BackendError):
    """Raised when a method is called whose capability the backend does not declare."""

    capability = "(not told)"

    def __init__(self, capability: str) -> None:
        super().__init__(f"this backend does not support {capability!r}")
        self.capability = capability


class BadInput(BackendError):
    """Raised when an argument is outside what the method documents; ``param`` names it."""

    param = "input"

    def __init__(self, param: str, message: str) -> None:
        super().__init__(f"{param}: {message}")
        self.param = param


class ContextOverflow(BackendError):
    """Raised when a step would write past the slot's context length."""

    slot = length = num_tokens = context_length = 0

    def __init__(self, *, slot: int, length: int, num_tokens: int, context_length: int) -> None:
        super().__init__(
            f"slot {slot} holds {length} tokens and {num_tokens} more exceed the context length of {context_length}"
        )
        self.slot = slot
        self.length = length
        self.num_tokens = num_tokens
        self.context_length = context_length


class ModelError(BackendError):
    """Raised when a model folder cannot be opened; the message names the file and the remedy."""


class OutOfMemory(BackendError):
    """Raised when the device cannot hold the weights, the KV cache or a step's scratch memory."""


class DeviceLost(BackendError):
    """Raised when the device went away; ``recoverable`` says whether opening a new session can help."""

    recoverable = True  # opening again does no harm

    def __init__(self, message: str, *, recoverable: bool) -> None:
        super().__init__(message)
        self.recoverable = recoverable


class Interrupted(BackendError):
    """Raised by ``step`` when ``interrupt`` ended it early; the slots keep the length they had before the step."""
