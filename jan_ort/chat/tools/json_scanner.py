"""JSON's grammar, one character at a time: whether a text that is still being written can become JSON (hop 9)."""

from __future__ import annotations

from collections.abc import Mapping

WHITESPACE = " \t\n\r"

_LITERALS: Mapping[str, str] = {"t": "rue", "f": "alse", "n": "ull"}
_CLOSING: Mapping[str, str] = {"{": "}", "[": "]"}
_DIGITS = "0123456789"
_HEX = "0123456789abcdefABCDEF"

_NUMBERS: Mapping[str, Mapping[str, str]] = {
    "minus": {"0": "zero", **dict.fromkeys("123456789", "integer")},
    "zero": {".": "point", "e": "exponent", "E": "exponent"},
    "integer": {".": "point", "e": "exponent", "E": "exponent", **dict.fromkeys(_DIGITS, "integer")},
    "point": dict.fromkeys(_DIGITS, "fraction"),
    "fraction": {"e": "exponent", "E": "exponent", **dict.fromkeys(_DIGITS, "fraction")},
    "exponent": {**dict.fromkeys("+-", "sign"), **dict.fromkeys(_DIGITS, "power")},
    "sign": dict.fromkeys(_DIGITS, "power"),
    "power": dict.fromkeys(_DIGITS, "power"),
}
_WHOLE_NUMBERS = frozenset({"zero", "integer", "fraction", "power"})


class JsonScanner:
    """Accepts one JSON object, array or string, and refuses the first character that cannot belong to it.

    Source: RFC 8259, sections 2 to 7. A number or a literal is accepted inside of those only, because a number at the
    top would end with the character after it.
    """

    def __init__(self) -> None:
        self.is_done = False
        self._state = self._begin
        self._open: list[str] = []
        self._is_key = False
        self._rest = ""
        self._num_hex = 0
        self._number = ""

    def feed(self, char: str) -> bool:
        """Take the next character; False if it cannot stand here. Not to be called once ``is_done``."""
        assert not self.is_done, "the value has ended"
        return self._state(char)

    def _begin(self, char: str) -> bool:
        return char in '{["' and self._value(char)

    def _value(self, char: str) -> bool:
        if char in WHITESPACE:
            return True
        if char == '"':
            self._is_key = False
            self._state = self._string
        elif char in _CLOSING:
            self._open.append(char)
            self._state = self._first_key if char == "{" else self._first_item
        elif char in _LITERALS:
            self._rest = _LITERALS[char]
            self._state = self._literal
        else:
            self._number = "minus" if char == "-" else _NUMBERS["minus"].get(char, "")
            self._state = self._in_number
            return bool(self._number)
        return True

    def _first_key(self, char: str) -> bool:
        return self._close() if char == "}" else self._key(char)

    def _first_item(self, char: str) -> bool:
        return self._close() if char == "]" else self._value(char)

    def _key(self, char: str) -> bool:
        if char == '"':
            self._is_key = True
            self._state = self._string
            return True
        return char in WHITESPACE

    def _string(self, char: str) -> bool:
        if char == '"':
            if self._is_key:
                self._state = self._colon
            else:
                self._end_value()
        elif char == "\\":
            self._state = self._escape
        return char >= " "

    def _escape(self, char: str) -> bool:
        self._num_hex = 4 if char == "u" else 0
        self._state = self._hex if char == "u" else self._string
        return char in '"\\/bfnrtu'

    def _hex(self, char: str) -> bool:
        self._num_hex -= 1
        if self._num_hex == 0:
            self._state = self._string
        return char in _HEX

    def _colon(self, char: str) -> bool:
        if char == ":":
            self._state = self._value
            return True
        return char in WHITESPACE

    def _literal(self, char: str) -> bool:
        expected, self._rest = self._rest[0], self._rest[1:]
        if not self._rest:
            self._end_value()
        return char == expected

    def _in_number(self, char: str) -> bool:
        following = _NUMBERS[self._number].get(char)
        if following is not None:
            self._number = following
            return True
        if self._number not in _WHOLE_NUMBERS:
            return False
        self._end_value()
        return self._state(char)

    def _next(self, char: str) -> bool:
        if char == ",":
            self._state = self._key if self._open[-1] == "{" else self._value
            return True
        if char == _CLOSING[self._open[-1]]:
            return self._close()
        return char in WHITESPACE

    def _close(self) -> bool:
        self._open.pop()
        self._end_value()
        return True

    def _end_value(self) -> None:
        self.is_done = not self._open
        self._state = self._next


def is_json_object(text: str) -> bool:
    """Whether the text is exactly one JSON object, without whitespace around it."""
    scanner = JsonScanner()
    if not text.startswith("{"):
        return False
    return all(not scanner.is_done and scanner.feed(char) for char in text) and scanner.is_done
