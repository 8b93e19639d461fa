"""An error in one line, whatever a plugin put into it."""

from __future__ import annotations

from jan_ort_backends.interrupts import is_ctrl_c


def message_line(error: BaseException) -> str:
    """Return an error's message without line breaks; one that cannot be read is said to be so."""
    try:
        return " ".join(str(error).split())
    except BaseException as failure:  # a plugin's own __str__
        if is_ctrl_c(failure):
            raise
        return f"(its message cannot be read: {type(failure).__name__})"


def one_line(error: BaseException) -> str:
    """Return an error's type and message without line breaks."""
    message = message_line(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
