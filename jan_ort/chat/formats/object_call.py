"""One call as JSON, one character at a time: its name, its arguments, and where it ends (hop 9)."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection

from jan_ort.chat.tools.json_scanner import WHITESPACE, JsonScanner, is_json_object

_MEANINGS = {"parameters": "arguments", "tool_name": "name", "tool_call_id": "id"}
"""Other spellings of keys: Llama's, and Command R's."""
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
            self._key = _MEANINGS.get(key, key)
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
