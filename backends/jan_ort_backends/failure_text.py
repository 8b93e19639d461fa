"""An error as text: one line of bounded length for a message, or its traceback, both such that UTF-8 can hold them."""

from __future__ import annotations

import traceback

from jan_ort_backends.errors import BackendError

LIMIT = 1000
"""The longest message of an error, in characters: clients are sent it, and some libraries put megabytes there."""

_CUT = " [...] "
_AS_TEXT = ("utf-8", "backslashreplace")  # half of a surrogate pair, as a path that is no UTF-8 has, is an escape then


def message_line(error: BaseException, limit: int = LIMIT) -> str:
    """Return an error's message without line breaks, its middle left out if it is longer than ``limit``."""
    line = " ".join(str(error).split()).encode(*_AS_TEXT).decode()
    half = (limit - len(_CUT)) // 2  # both ends: what a message is about may stand at either
    return line if len(line) <= limit else line[:half] + _CUT + line[-half:]


def one_line(error: BaseException) -> str:
    """Return an error's type and message without line breaks."""
    return f"{type(error).__name__}: {message_line(error)}".removesuffix(": ")


def reason_of(error: BaseException) -> str:
    """Return why something failed, in one line; the interface's own errors say it without their type."""
    return message_line(error) if isinstance(error, BackendError) else one_line(error)


def trace(error: BaseException) -> str:
    """Return an error's traceback."""
    return "".join(traceback.format_exception(error)).encode(*_AS_TEXT).decode()
