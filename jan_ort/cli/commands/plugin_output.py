"""What plugins print goes to stderr, so that stdout holds the command's own answer and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO


@contextmanager
def kept_apart() -> Iterator[TextIO]:
    """Send what is printed to stderr, and yield the stream that is stdout.

    In a process of our own that holds for its descriptor, too, until the process ends: native code, a thread or an
    exit handler of a plugin may print there at any time.
    """
    if sys.__stdout__ is not None and sys.stdout is sys.__stdout__ and sys.stderr is not None:
        stdout = _take_away(sys.__stdout__)
        yield stdout
        stdout.flush()
    else:
        stdout = sys.stdout
        with redirect_stdout(sys.stderr):
            yield stdout


def _take_away(stdout: TextIO) -> TextIO:
    stdout.flush()
    errors = "backslashreplace" if stdout.errors == "strict" else stdout.errors  # a text of a plugin must not end us
    ours = os.fdopen(os.dup(stdout.fileno()), "w", encoding=stdout.encoding, errors=errors)
    os.dup2(sys.stderr.fileno(), stdout.fileno())
    sys.stdout = sys.stderr
    return ours
