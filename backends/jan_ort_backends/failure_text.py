"""An error as text that any stream can take, whatever a plugin put into it."""

from __future__ import annotations

import traceback

from jan_ort_backends.interrupts import is_ctrl_c

LIMIT = 1000
"""The longest message of an error, in characters: clients are sent it, and a plugin may put megabytes there."""

_CUT = " [...] "


def plain(text: str) -> str:
    """Return a plugin's text with what UTF-8 cannot hold, half of a surrogate pair, written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def message_line(error: BaseException, limit: int = LIMIT) -> str:
    """Return an error's message without line breaks, its middle left out if it is longer than ``limit``.

    One that cannot be read is said to be so.
    """
    try:
        line = plain(" ".join(str(error).split()))
    except BaseException as failure:  # a plugin's own __str__
        if is_ctrl_c(failure):
            raise
        return f"(its message cannot be read: {type(failure).__name__})"
    if len(line) <= limit:
        return line
    half = (limit - len(_CUT)) // 2  # both ends: what a message is about may stand at either
    return line[:half] + _CUT + line[-half:]


def one_line(error: BaseException) -> str:
    """Return an error's type and message without line breaks."""
    message = message_line(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def trace(error: BaseException) -> str:
    """Return an error's traceback."""
    try:
        return plain("".join(traceback.format_exception(error)))
    except BaseException as failure:  # its notes may be the plugin's code
        if is_ctrl_c(failure):
            raise
        return f"(its traceback cannot be read: {type(failure).__name__})"
