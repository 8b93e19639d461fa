"""Calls as JSON: one at a time, and several between an opening and a closing (hop 8)."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence

from jan_ort.chat.tools.call_events import CallArguments, CallEnded, CallEvent, CallStarted
from jan_ort.chat.tools.call_reader import MAX_SPACE, CallReader
from jan_ort.chat.tools.json_scanner import WHITESPACE, JsonScanner, is_json_object

_ARGUMENTS = ("arguments", "parameters")
_TEXTS = ("name", "type", "id")
"""Keys that models write beside the arguments; Llama 3.1 likes "type": "function", Mistral an "id"."""


class JsonCall(ABC):
    """Reads one call of a tool in ``names``, and refuses the first character that shows that it is none."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._pending: list[str] = []
        self._num_significant = 0
        self.name: str | None = None
        self.has_all_arguments = False
        self.is_done = False

    @abstractmethod
    def feed(self, char: str) -> bool:
        """Take the next character; False if it cannot stand here. Not to be called once ``is_done``."""

    @property
    def is_certain(self) -> bool:
        """Whether the name is known, and the arguments have begun as JSON: ``{'a': 1}`` is refused before that."""
        return self.name is not None and (self.has_all_arguments or self._num_significant > 1)

    def take_arguments(self) -> str:
        """Return the arguments' text that was read since the last time."""
        text = "".join(self._pending)
        self._pending.clear()
        return text

    def _argument(self, char: str) -> None:
        self._pending.append(char)
        self._num_significant += char not in WHITESPACE

    def _finish_arguments(self) -> None:
        if not self.has_all_arguments and not self._pending:
            self._pending.append("{}")  # a tool without parameters, called without arguments
        self.has_all_arguments = True


class ObjectCall(JsonCall):
    """Reads ``{"name": "f", "arguments": {…}}``, in either order, with ``parameters`` for ``arguments``.

    The arguments may be missing, which is ``{}``, or be written as a string that holds the object.
    """

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(names)
        self._state = self._open
        self._scanner = JsonScanner()
        self._text: list[str] = []
        self._key = ""
        self._seen: set[str] = set()

    def feed(self, char: str) -> bool:
        """Take the next character; False if it cannot stand here."""
        return self._state(char)

    def _open(self, char: str) -> bool:
        self._state = self._key_start
        return char == "{"

    def _key_start(self, char: str) -> bool:
        if char != '"':
            return char in WHITESPACE
        self._begin(char)
        self._state = self._in_key
        return True

    def _begin(self, char: str) -> None:
        self._scanner, self._text = JsonScanner(), [char]
        self._scanner.feed(char)

    def _in_key(self, char: str) -> bool:
        self._text.append(char)
        is_good = self._scanner.feed(char)
        if is_good and self._scanner.is_done:
            key = json.loads("".join(self._text))
            self._key = "arguments" if key in _ARGUMENTS else key
            self._state = self._colon
            is_good = self._key in ("arguments", *_TEXTS) and self._key not in self._seen
            self._seen.add(self._key)
        return is_good

    def _colon(self, char: str) -> bool:
        if char == ":":
            self._state = self._value_start
            return True
        return char in WHITESPACE

    def _value_start(self, char: str) -> bool:
        if char in WHITESPACE:
            return True
        is_object = self._key == "arguments" and char == "{"
        if not is_object and char != '"':
            return False
        self._begin(char)
        self._state = self._in_arguments if is_object else self._in_text
        if is_object:
            self._argument(char)
        return True

    def _in_arguments(self, char: str) -> bool:
        if not self._scanner.feed(char):
            return False
        self._argument(char)
        if self._scanner.is_done:
            self._finish_arguments()
            self._state = self._next
        return True

    def _in_text(self, char: str) -> bool:
        self._text.append(char)
        if not self._scanner.feed(char):
            return False
        if not self._scanner.is_done:
            return True
        self._state = self._next
        return self._accept(json.loads("".join(self._text)))

    def _accept(self, text: str) -> bool:
        if self._key == "name":
            self.name = text
            return text in self._names
        if self._key == "arguments":
            text = text.strip(WHITESPACE)
            self._pending.append(text)
            self.has_all_arguments = is_json_object(text)
            return self.has_all_arguments
        return True

    def _next(self, char: str) -> bool:
        if char == ",":
            self._state = self._key_start
            return True
        if char == "}" and self.name is not None:
            self._finish_arguments()
            self.is_done = True
            return True
        return char in WHITESPACE


class JsonCallsReader(CallReader):
    """Reads calls as JSON objects: one, or several with ``separator`` between two, or a list of them; then ``closing``.

    ``has_list`` allows the list. ``new_head`` reads a call that does not begin as an object. ``begun`` is the beginning
    of the first call, where that is what opens calls. A comma, a brace or a closing that is missing after complete
    arguments is forgiven. Whitespace after a call, up to MAX_SPACE characters, belongs to the format.
    """

    def __init__(
        self,
        names: Collection[str],
        *,
        closing: str = "",
        separator: str = "",
        has_list: bool = False,
        new_head: Callable[[Collection[str]], JsonCall] | None = None,
        begun: str = "",
    ) -> None:
        super().__init__(names)
        self._closing = closing
        self._separator = separator
        self._has_list = has_list
        self._new_head = new_head
        self._events: list[CallEvent] = []
        self._state: Callable[[str], None] = self._before
        self._in_list = False
        self._call: JsonCall = ObjectCall(names)
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
            self._begin(ObjectCall(self.names), char)
        elif char == "[" and self._has_list and not self._in_list:
            self._in_list = True
        elif self._new_head is not None and not self._in_list:
            self._begin(self._new_head(self.names), char)
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
            self._break_off(char)
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

    def _break_off(self, char: str) -> None:
        """Take back a character that cannot stand here: the call is none, or broken, or has an untidy end."""
        if not self._has_started:
            self.is_done = True
            return
        if not self._has_ended:
            self._events.append(CallEnded(is_complete=False))
            self.rest = char
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
            self._begin(ObjectCall(self.names), char)
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
