"""Several calls as JSON, between an opening and a closing (hop 9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from jan_ort.chat.formats.object_call import JsonCall, ObjectCall
from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_events import CallArguments, CallEnded, CallEvent, CallStarted
from jan_ort.chat.tools.call_reader import MAX_SPACE, CallReader
from jan_ort.chat.tools.json_scanner import WHITESPACE


class JsonCallsReader(CallReader):
    """Reads calls as JSON objects: one, or several with ``separator`` between two, or a list of them; then ``closing``.

    ``has_list`` allows the list. ``new_head`` reads a call that does not begin as an object. ``begun`` is the beginning
    of the first call, where that is what opens calls. A comma, a brace or a closing that is missing after complete
    arguments is forgiven. Whitespace after a call, up to MAX_SPACE characters, belongs to the format.
    """

    def __init__(
        self,
        tools: Mapping[str, Tool],
        *,
        closing: str = "",
        separator: str = "",
        has_list: bool = False,
        new_head: Callable[[Collection[str]], JsonCall] | None = None,
        begun: str = "",
    ) -> None:
        super().__init__(tools)
        self._closing = closing
        self._separator = separator
        self._has_list = has_list
        self._new_head = new_head
        self._events: list[CallEvent] = []
        self._state: Callable[[str], None] = self._before
        self._in_list = False
        self._call: JsonCall = ObjectCall(tools)
        self._has_started = False  # whether the call is certain
        self._has_ended = False  # whether its arguments are complete
        for char in begun:
            self._before(char)

    def feed(self, char: str) -> Sequence[CallEvent]:
        """Take the next character and return what is certain now."""
        self._events = []
        self.rest += char
        self._state(char)
        return self._events

    def finish(self) -> None:
        """Take the answer's end: what only closes a call is no content, nor is what follows its arguments."""
        is_after = self._state == self._after
        if self._has_started or (is_after and self._is_closing(self.rest.strip(WHITESPACE))):
            self.rest = ""
        self.is_done = True

    def _before(self, char: str) -> None:
        if char in WHITESPACE:
            return
        if char == "{":
            self._begin(ObjectCall(self.tools), char)
        elif char == "[" and self._has_list and not self._in_list:
            self._in_list = True
        elif self._new_head is not None and not self._in_list:
            self._begin(self._new_head(self.tools), char)
        else:
            self.is_done = True

    def _begin(self, call: JsonCall, char: str) -> None:
        self._call = call
        self._has_started = self._has_ended = False
        self._state = self._inside
        self._inside(char)

    def _inside(self, char: str) -> None:
        call = self._call
        if not call.feed(char):
            self._break_off()
            return
        if not self._has_started and call.is_certain:
            assert call.name is not None, "a certain call has a name"
            self._has_started = True
            self._events.append(CallStarted(call.name))
        if self._has_started and not self._has_ended:
            self._take_arguments()
        if call.is_done:
            self.rest = ""
            self._follow()

    def _take_arguments(self) -> None:
        self.rest = ""
        if text := self._call.take_arguments():
            self._events.append(CallArguments(text))
        if self._call.has_all_arguments:
            self._has_ended = True
            self._events.append(CallEnded())

    def _break_off(self) -> None:
        """Take back a character that cannot stand here: the call is none, or broken, or has an untidy end."""
        if not self._has_started:
            self.is_done = True
            return
        if not self._has_ended:
            self._events.append(CallEnded(is_complete=False))
        rest, self.rest = self.rest, ""
        self._follow()
        for each in rest:
            self.rest += each
            if not self.is_done:
                self._state(each)

    def _follow(self) -> None:
        self._has_started = False
        self._state = self._after

    def _after(self, char: str) -> None:
        text = self.rest.strip(WHITESPACE)
        separator = "," if self._in_list else self._separator
        if len(self.rest) > MAX_SPACE + len(text):
            self.is_done = True
        elif not text or (separator and text == separator):
            return
        elif separator and text[:1] == separator and text[1:].strip(WHITESPACE) == "{":
            self._begin(ObjectCall(self.tools), char)
        elif self._in_list and text == "]":
            self._in_list = False
            self.rest = ""
        elif not self._is_closing(text):
            self.is_done = True
        elif text == self._closing:
            self.rest = ""
            self.is_done = True

    def _is_closing(self, text: str) -> bool:
        """Whether ``text`` is the beginning of what closes the calls, or nothing."""
        return not text or (not self._in_list and self._closing.startswith(text))
