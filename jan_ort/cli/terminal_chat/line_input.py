"""What the user types: a line, several lines between three quotation marks, or a pasted text as a whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from jan_ort.cli.saying import say

_QUOTES = '"""'


class Typed(NamedTuple):
    """A text, and whether it may be a command: what stands in quotation marks, or has several lines, is none."""

    text: str
    is_line: bool = True


class LineInput:
    """Reads texts with ``read``, which is given a prompt and returns a line, or a text that was pasted."""

    def __init__(self, read: Callable[[str], str] = input) -> None:
        self._read = read

    def next(self) -> Typed | None:
        """Return the next text, empty after Ctrl-C; None at the end of the input."""
        try:
            line = self._read("> ").strip()
            if line.startswith(_QUOTES):
                return Typed(self._quoted(line.removeprefix(_QUOTES)), is_line=False)
            return Typed(line, "\n" not in line)
        except KeyboardInterrupt:
            say("\n/exit or Ctrl-D leaves", err=True)
            return Typed("")
        except EOFError:
            say()
            return None

    def _quoted(self, text: str) -> str:
        """Return what stands up to the closing marks, or to the end of the input."""
        try:
            while not text.rstrip().endswith(_QUOTES):
                text += "\n" + self._read("... ")
        except EOFError:
            return text.strip("\n")
        return text.rstrip().removesuffix(_QUOTES).strip("\n")


def line_input(history: Path) -> LineInput:
    """Return input with editing, bracketed paste and a history of this user's alone, where a terminal is asked."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return LineInput()
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    kept: History = InMemoryHistory()
    try:
        history.parent.mkdir(parents=True, exist_ok=True)
        history.touch(0o600)
        kept = FileHistory(str(history))
    except OSError as error:
        say(f"the history cannot be saved: {error}", err=True)
    session: PromptSession[str] = PromptSession(history=kept)
    return LineInput(session.prompt)
