"""An error as text: one line of bounded length for a message, or its traceback, both such that UTF-8 can hold them."""

from __future__ import annotations

import traceback

from jan_ort_backends.errors import BackendError

LIMIT = 1000
"""The longest message of an error, in characters: clients are sent it, and some libraries put megabytes there."""

_CUT = " [...] "


def message_line(error: BaseException, limit: int = LIMIT) -> str:
    """Return an error's message without line breaks, its middle left out if it is longer than ``limit``."""
    line = _plain(" ".join(str(error).split()))
    if len(line) <= limit:
        return line
    half = (limit - len(_CUT)) // 2  # both ends: what a message is about may stand at either
    return line[:half] + _CUT + line[-half:]


def one_line(error: BaseException) -> str:
    """Return an error's type and message without line breaks."""
    message = message_line(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def reason_of(error: BaseException) -> str:
    """Return why something failed, in one line; the interface's own errors say it without their type."""
    return message_line(error) if isinstance(error, BackendError) else one_line(error)


def trace(error: BaseException) -> str:
    """Return an error's traceback."""
    return _plain("".join(traceback.format_exception(error)))


def _plain(text: str) -> str:
    """Return the text with half of a surrogate pair, as a path that is no UTF-8 has, written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()
