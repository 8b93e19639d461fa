"""Calls that begin with a head, which names the function, before their arguments as JSON (hop 9)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto

from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_events import CallArguments, CallEnded, CallEvent, CallStarted
from jan_ort.chat.tools.call_reader import MAX_SPACE, SteppedReader
from jan_ort.chat.tools.json_scanner import WHITESPACE, JsonScanner

_MAX_HEAD = 256
"""Characters before the arguments: a name of 64, an id, and markers."""


class Following(Enum):
    """What comes after a text that stands behind the arguments."""

    MORE = auto()
    CALL = auto()
    END = auto()


class HeadedCallsReader(SteppedReader):
    """Reads ``head{…}`` again and again.

    ``head`` matches all before the arguments, with the group ``name``. ``after`` are the texts that may follow them,
    white space aside, and what each leads to; the first one that is none of them ends the calls.
    """

    def __init__(self, tools: Mapping[str, Tool], *, head: re.Pattern[str], after: Mapping[str, Following]) -> None:
        super().__init__(tools, self._in_head)
        self._head = head
        self._after = after
        self._scanner = JsonScanner()

    def _in_head(self, char: str) -> Sequence[CallEvent]:
        if char != "{":
            self.is_done = len(self.rest) > _MAX_HEAD
            return []
        found = self._head.fullmatch(self.rest[:-1])
        if found is None or found["name"] not in self.tools:
            self.is_done = True
            return []
        self.rest, self._has_called = "", True
        self._scanner = JsonScanner()
        self._scanner.feed(char)
        self._state = self._in_arguments
        return [CallStarted(found["name"]), CallArguments(char)]

    def _in_arguments(self, char: str) -> Sequence[CallEvent]:
        if not self._scanner.feed(char):
            self._state = self._behind
            return [CallEnded(is_complete=False), *self._behind(char)]
        self.rest = ""
        if not self._scanner.is_done:
            return [CallArguments(char)]
        self._state = self._behind
        return [CallArguments(char), CallEnded()]

    def _behind(self, char: str) -> Sequence[CallEvent]:
        text = self.rest.strip(WHITESPACE)
        if text in self._after:
            following = self._after[text]
            self.rest = ""
            self.is_done = following is Following.END
            self._state = self._in_head if following is Following.CALL else self._behind
        elif len(self.rest) > MAX_SPACE + len(text) or not any(each.startswith(text) for each in self._after):
            self.is_done = True
        return []
