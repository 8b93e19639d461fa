"""A plugin's BackendError as one that can be looked at: of a type of ours, with all that the type promises."""

from __future__ import annotations

from collections.abc import Mapping

from jan_ort_backends.errors import (
    BackendError,
    BadInput,
    ContextOverflow,
    DeviceLost,
    Interrupted,
    ModelError,
    OutOfMemory,
    Unsupported,
)
from jan_ort_backends.failure_text import message_line, plain
from jan_ort_backends.interrupts import is_ctrl_c

Value = str | int | bool

_KINDS: Mapping[type[BackendError], Mapping[str, Value]] = {
    Unsupported: {"capability": "(not told)"},
    BadInput: {"param": "input"},
    ContextOverflow: {"slot": 0, "length": 0, "num_tokens": 0, "context_length": 0},
    DeviceLost: {"recoverable": True},  # opening again does no harm, and may help
    ModelError: {},
    OutOfMemory: {},
    Interrupted: {},
    BackendError: {},
}
"""The fields of each type, and what they are where a plugin's error has none, or one of another type."""


def sound_error(error: BackendError) -> BackendError:
    """Return an error of the nearest type in ``errors.py``, with a message and fields that are plain values."""
    kind = next(kind for kind in _KINDS if isinstance(error, kind))
    sound = kind.__new__(kind, message_line(error))  # not its constructor, which would add to the message
    for name, default in _KINDS[kind].items():
        setattr(sound, name, _field(error, name, default))
    return sound


def _field(error: BackendError, name: str, default: Value) -> Value:
    try:
        value = getattr(error, name)
        if isinstance(default, str):
            return plain(str.__str__(value))
        return value if type(value) is type(default) else default
    except BaseException as failure:  # it may be absent, no text, or the plugin's code
        if is_ctrl_c(failure):
            raise
        return default
