"""The interface's errors as values that another process can be told: their kind, their message and their fields."""

from __future__ import annotations

from typing import TypeAlias

from jan_ort_backends import (
    BackendError,
    BadInput,
    ContextOverflow,
    DeviceLost,
    Interrupted,
    ModelError,
    OutOfMemory,
    Unsupported,
)

_KINDS = (BackendError, Unsupported, BadInput, ContextOverflow, ModelError, OutOfMemory, DeviceLost, Interrupted)
_BY_NAME = {kind.__name__: kind for kind in _KINDS}
_FIELDS = ("capability", "param", "slot", "length", "num_tokens", "context_length", "recoverable")

ToldError: TypeAlias = tuple[str, str, dict[str, int | str]]


def told_error(error: BackendError) -> ToldError:
    """Return what another process is told; of a plugin's own kind, the interface's that it is."""
    kind = next(each for each in type(error).__mro__ if each in _KINDS)
    found = {name: getattr(error, name, None) for name in _FIELDS}
    return kind.__name__, str(error), {name: value for name, value in found.items() if isinstance(value, int | str)}


def raised_error(told: ToldError) -> BackendError:
    """Return the error that another process told of."""
    name, message, fields = told
    error = _BY_NAME[name].__new__(_BY_NAME[name], message)  # each constructor takes something else
    vars(error).update(fields)
    return error
