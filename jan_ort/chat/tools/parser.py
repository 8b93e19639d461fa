"""A model's output, piece by piece, to content and calls (hop 8).

What looks like a call is held back until it is certain: its name is a tool's and its arguments have begun as JSON. Text
that turns out to be none is given out as content, unchanged. Then the arguments are given out as they come. Arguments
that break off as JSON later leave a call without ToolCallEnd, and what follows is content. Whitespace around a call, up
to MAX_SPACE characters, and the format's own punctuation belong to the format. A comma, a brace or a closing tag that
is missing after complete arguments is forgiven.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Collection

from jan_ort.chat.tools.call_reader import CallReader, HeadReader, ObjectReader
from jan_ort.chat.tools.events import ArgumentsDelta, ContentDelta, Event, ToolCallEnd, ToolCallStart
from jan_ort.chat.tools.formats import ToolFormat
from jan_ort.chat.tools.json_scanner import WHITESPACE
from jan_ort.chat.tools.syntax import SYNTAX

MAX_SPACE = 64
"""Whitespace held back because a call may follow; a model that writes nothing else must not be held back for ever."""


def new_call_id() -> str:
    """Return an id that no other call has: ``call_`` and 96 random bits in hex."""
    return f"call_{secrets.token_hex(12)}"


class ToolCallParser:
    """Reads one answer. Feed the text as it comes, then finish; events joined do not depend on how it was cut.

    ``names`` are the tools that may be called; a call of another name is content. Without ``is_parallel``, ``is_done``
    is set once the first call has ended, and whatever is fed after that is not looked at.
    """

    def __init__(
        self,
        tool_format: ToolFormat,
        names: Collection[str],
        *,
        is_parallel: bool = True,
        new_id: Callable[[], str] = new_call_id,
    ) -> None:
        self.is_done = False
        self._syntax = SYNTAX[tool_format]
        self._names = names
        self._is_parallel = is_parallel
        self._new_id = new_id
        self._events: list[Event] = []
        self._pending: deque[str] = deque()
        self._state: Callable[[str], None] = self._in_content
        self._held = ""  # text whose meaning is still open: nothing of it has been given out
        self._num_opening = 0  # characters of it that open a call
        self._is_at_start = True  # of the answer, or of what follows a call
        self._in_list = False
        self._reader: CallReader | None = None
        self._index = -1
        self._has_started = False
        self._has_ended = False

    def feed(self, text: str) -> list[Event]:
        """Return what is certain after the next piece of text."""
        self._pending.extend(text)
        self._drain()
        return self._take()

    def finish(self) -> list[Event]:
        """Return what is left when the answer has ended: held text is content, unless it only closes a call."""
        while not self.is_done and self._state != self._in_content:
            if self._state == self._after or self._has_started:
                if self._has_started or self._is_closing(self._held.strip(WHITESPACE)):
                    self._held = ""
                self._become(self._in_content)
            else:
                self._give_up()
            self._drain()
        if not self.is_done:
            self._give_content(self._held)
            self._held = ""
        return self._take()

    def _drain(self) -> None:
        while self._pending and not self.is_done:
            self._state(self._pending.popleft())

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _become(self, state: Callable[[str], None]) -> None:
        self._state = state
        self._reader = None
        self._has_started = False

    # What is outside of calls.

    def _in_content(self, char: str) -> None:
        self._held += char
        text = self._held.lstrip(WHITESPACE)
        if not text:
            if len(self._held) > MAX_SPACE:
                self._give_content(self._held[:-1])
                self._held = char
            return
        openings = [opening for opening in self._syntax.openings if opening.startswith(text)]
        if text == "{" and not self._is_at_line_start():
            openings = []
        if text in openings:
            self._open(text)
        elif not openings:
            num_given = len(self._held) - len(text) + 1
            rest = self._held[num_given:]
            self._give_content(self._held[:num_given])
            self._held = ""
            self._pending.extendleft(reversed(rest))

    def _is_at_line_start(self) -> bool:
        space = self._held[: -len(self._held.lstrip(WHITESPACE))]
        return self._is_at_start or space.endswith("\n")

    def _give_content(self, text: str) -> None:
        if not text:
            return
        self._is_at_start = False
        last = self._events[-1] if self._events else None
        if isinstance(last, ContentDelta):
            self._events[-1] = ContentDelta(last.text + text)
        else:
            self._events.append(ContentDelta(text))

    # Inside of a call.

    def _open(self, opening: str) -> None:
        self._num_opening = len(self._held)
        self._become(self._opened)
        if opening == "{":
            self._begin(ObjectReader(self._names), opening)

    def _opened(self, char: str) -> None:
        self._held += char
        if char in WHITESPACE:
            return
        if char == "{":
            self._begin(ObjectReader(self._names), char)
        elif char == "[" and self._syntax.has_list and not self._in_list:
            self._in_list = True
        elif self._syntax.has_head and not self._in_list:
            self._begin(HeadReader(self._names), char)
        else:
            self._give_up()

    def _begin(self, reader: CallReader, char: str) -> None:
        self._reader = reader
        self._has_ended = False
        self._state = self._in_call
        self._advance(char)

    def _in_call(self, char: str) -> None:
        self._held += char
        self._advance(char)

    def _advance(self, char: str) -> None:
        assert self._reader is not None, "a call is being read"
        if not self._reader.feed(char):
            self._refuse(char)
            return
        if not self._has_started and self._reader.is_certain:
            self._start()
        if self._has_started and not self._has_ended:
            self._give_arguments()
        if self._reader.is_done and not self.is_done:
            self._held = ""
            self._become(self._after)

    def _start(self) -> None:
        assert self._reader is not None
        assert self._reader.name is not None, "a certain call has a name"
        self._index += 1
        self._has_started = True
        self._events.append(ToolCallStart(self._index, self._new_id(), self._reader.name))

    def _give_arguments(self) -> None:
        assert self._reader is not None, "a call is being read"
        self._held = ""
        text = self._reader.take_arguments()
        last = self._events[-1] if self._events else None
        if text and isinstance(last, ArgumentsDelta) and last.index == self._index:
            self._events[-1] = ArgumentsDelta(self._index, last.text + text)
        elif text:
            self._events.append(ArgumentsDelta(self._index, text))
        if self._reader.has_all_arguments:
            self._has_ended = True
            self._events.append(ToolCallEnd(self._index))
            self.is_done = not self._is_parallel

    def _refuse(self, char: str) -> None:
        """Take back a character that cannot stand here: the call is none, or broken, or has an untidy end."""
        if not self._has_started:
            self._give_up()
            return
        rest = self._held if self._has_ended else char
        self._held = ""
        self.is_done = not self._is_parallel
        self._become(self._after)
        self._pending.extendleft(reversed(rest))

    def _give_up(self) -> None:
        """What was held is no call: its opening is content, and the rest is read again."""
        rest = self._held[self._num_opening :]
        self._give_content(self._held[: self._num_opening])
        self._held = ""
        self._in_list = False
        self._become(self._in_content)
        self._pending.extendleft(reversed(rest))

    # After a call.

    def _after(self, char: str) -> None:
        self._held += char
        text = self._held.strip(WHITESPACE)
        separator = "," if self._in_list else self._syntax.separator
        if len(self._held) > MAX_SPACE + len(text):
            self._leave(self._held)
        elif not text or (separator and text == separator):
            return
        elif separator and text[:1] == separator and text[1:].strip(WHITESPACE) == "{":
            self._num_opening = len(self._held)
            self._begin(ObjectReader(self._names), char)
        elif self._in_list and text == "]":
            self._in_list = False
            self._held = ""
        elif not self._is_closing(text):
            self._leave(self._held)
        elif text == self._syntax.closing:
            self._leave("")

    def _is_closing(self, text: str) -> bool:
        """Whether ``text`` is the beginning of what closes a call, or nothing."""
        return not text or (not self._in_list and self._syntax.closing.startswith(text))

    def _leave(self, rest: str) -> None:
        self._held = ""
        self._in_list = False
        self._is_at_start = True
        self._become(self._in_content)
        self._pending.extendleft(reversed(rest))
