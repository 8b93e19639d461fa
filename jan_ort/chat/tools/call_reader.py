"""What a parser asks of a format: the texts that open calls, and a reader of what follows one (hop 9)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from jan_ort.chat.tools.call_events import CallEvent
from jan_ort.chat.tools.tool_plan import Tool

MAX_SPACE = 64
"""Whitespace held back because a call may follow; a model that writes nothing else must not be held back for ever."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A text that opens calls, at the beginning of a line only if it ``begins_line``."""

    text: str
    begins_line: bool = False


class CallReader(ABC):
    """Reads what follows an opening: one call or several, what stands between them, and what closes them.

    It is given single characters, so its events cannot depend on how the answer was cut. ``rest`` is what it was given
    and has not accounted for, neither by an event nor as the format's own punctuation. Once ``is_done``, the rest is
    read again as what is outside; if no event was given until then, the opening was none, and is content.
    """

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        """``tools`` are those that may be called, by name; a call of another name is none."""
        self.tools = tools
        self.rest = ""
        self.is_done = False

    @abstractmethod
    def feed(self, char: str) -> Sequence[CallEvent]:
        """Take the next character and return what is certain now. Not to be called once ``is_done``."""

    @abstractmethod
    def finish(self) -> None:
        """Take the answer's end: be done, with a rest of only what is no part of a call."""


class SteppedReader(CallReader):
    """A reader that is in one state at a time: a method that takes the next character, and sets what follows it."""

    def __init__(self, tools: Mapping[str, Tool], first: Callable[[str], Sequence[CallEvent]]) -> None:
        super().__init__(tools)
        self._has_called = False
        self._state = first

    def feed(self, char: str) -> Sequence[CallEvent]:
        """Take the next character and return what is certain now."""
        self.rest += char
        return self._state(char)

    def finish(self) -> None:
        """Take the answer's end: of an answer with calls, what is left is markup, or a part of a call."""
        if self._has_called:
            self.rest = ""
        self.is_done = True


class CallSyntax(Protocol):
    """The part of a format that a parser needs."""

    @property
    def openings(self) -> Sequence[Opening]:
        """The texts that open calls; none of them begins with another."""
        ...

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return the reader of what follows ``opening``."""
        ...
