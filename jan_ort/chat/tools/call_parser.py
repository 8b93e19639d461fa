"""A model's output, piece by piece, to content and calls, in any format (hop 9).

What looks like a call is held back until its format's reader is certain of it. Text that turns out to be none is given
out as content, unchanged. Then the arguments are given out as they come. Arguments that break off later leave a call
without ToolCallEnd, and what follows is content. Whitespace before a call, up to MAX_SPACE characters, belongs to it.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping

from jan_ort.chat.tools.call_events import (
    ArgumentsDelta,
    CallArguments,
    CallEnded,
    CallEvent,
    CallStarted,
    ContentDelta,
    Event,
    ToolCallEnd,
    ToolCallStart,
)
from jan_ort.chat.tools.call_reader import MAX_SPACE, CallReader, CallSyntax
from jan_ort.chat.tools.json_scanner import WHITESPACE
from jan_ort.chat.tools.tool_plan import Tool


def new_call_id() -> str:
    """Return an id that no other call has: ``call_`` and 96 random bits in hex."""
    return f"call_{secrets.token_hex(12)}"


class ToolCallParser:
    """Reads one answer. Feed the text as it comes, then finish; events joined do not depend on how it was cut.

    ``tools`` are those that may be called, by name; a call of another name is content. Without ``is_parallel``,
    ``is_done`` is set once the first call has ended, and whatever is fed after that is not looked at. A forced answer
    (``is_forced``) is calls and nothing else: what is none is left of one that was cut off, and no content.
    """

    def __init__(
        self,
        syntax: CallSyntax,
        tools: Mapping[str, Tool],
        *,
        is_parallel: bool = True,
        is_forced: bool = False,
        new_id: Callable[[], str] = new_call_id,
    ) -> None:
        self.is_done = False
        self._syntax = syntax
        self._tools = tools
        self._is_parallel = is_parallel
        self._is_forced = is_forced
        self._new_id = new_id
        self._events: list[Event] = []
        self._pending: deque[str] = deque()
        self._held = ""  # text whose meaning is still open: outside of calls, or the opening of those being read
        self._is_at_start = True  # of the answer, or of what follows a call
        self._reader: CallReader | None = None
        self._is_certain = False  # whether the reader has found a call
        self._index = -1

    def feed(self, text: str) -> list[Event]:
        """Return what is certain after the next piece of text."""
        self._pending.extend(text)
        self._drain()
        return self._take()

    def finish(self, *, is_cut: bool = False) -> list[Event]:
        """Return what is left when the answer has ended: held text is content, unless it only closes a call.

        Of an answer that ``is_cut`` at the limit, what began as a call is none.
        """
        if is_cut and (self._reader is not None or self._held.strip(WHITESPACE)):
            self._reader, self._held = None, ""
        while self._reader is not None and not self.is_done:
            self._reader.finish()
            self._leave(self._reader)
            self._drain()
        if not self.is_done:
            self._give_content(self._held)
            self._held = ""
        return self._take()

    def _drain(self) -> None:
        while self._pending and not self.is_done:
            char = self._pending.popleft()
            if self._reader is None:
                self._outside(char)
            else:
                self._inside(self._reader, char)

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _outside(self, char: str) -> None:
        self._held += char
        text = self._held.lstrip(WHITESPACE)
        if not text:
            if len(self._held) > MAX_SPACE:
                self._give_content(self._held[:-1])
                self._held = char
            return
        openings = [
            opening.text
            for opening in self._syntax.openings
            if opening.text.startswith(text) and (not opening.begins_line or self._is_at_line_start(text))
        ]
        if text in openings:
            self._reader = self._syntax.reader(text, self._tools)
            self._is_certain = False
        elif not openings:
            num_given = len(self._held) - len(text) + 1
            rest = self._held[num_given:]
            self._give_content(self._held[:num_given])
            self._held = ""
            self._pending.extendleft(reversed(rest))

    def _is_at_line_start(self, text: str) -> bool:
        return self._is_at_start or self._held.removesuffix(text).endswith("\n")

    def _inside(self, reader: CallReader, char: str) -> None:
        for event in reader.feed(char):
            self._is_certain = True
            self._give(event)
            if self.is_done:
                return
        if reader.is_done:
            self._leave(reader)

    def _leave(self, reader: CallReader) -> None:
        self._reader = None
        if self._is_certain:
            self._is_at_start = True
        else:
            self._give_content(self._held)
        self._held = ""
        self._pending.extendleft(reversed(reader.rest))

    def _give(self, event: CallEvent) -> None:
        match event:
            case CallStarted():
                self._index += 1
                self._events.append(ToolCallStart(self._index, self._new_id(), event.name))
            case CallArguments():
                self._give_arguments(event.text)
            case CallEnded():
                if event.is_complete:
                    self._events.append(ToolCallEnd(self._index))
                self.is_done = not self._is_parallel
            case ContentDelta():
                self._give_content(event.text)

    def _give_arguments(self, text: str) -> None:
        last = self._events[-1] if self._events else None
        if isinstance(last, ArgumentsDelta):
            self._events[-1] = ArgumentsDelta(self._index, last.text + text)
        else:
            self._events.append(ArgumentsDelta(self._index, text))

    def _give_content(self, text: str) -> None:
        if not text:
            return
        self._is_at_start = False
        if self._is_forced:
            return
        last = self._events[-1] if self._events else None
        if isinstance(last, ContentDelta):
            self._events[-1] = ContentDelta(last.text + text)
        else:
            self._events.append(ContentDelta(text))
