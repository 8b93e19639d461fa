"""The names of special tokens in an answer's text, told apart from the same letters as plain text (hops 8 and 9).

A name that is shown has a stand-in for its first letter: half of a surrogate pair, which no decoded text has. So the
text is as long as it was, and offsets into it hold.
"""

from __future__ import annotations

from collections.abc import Collection

_FIRST = 0xDC00
_LETTERS = {_FIRST + code: chr(code) for code in range(128)}


def shown(name: str) -> str:
    """Return the name of a special token as it is shown; one that does not begin in ASCII stays as it is."""
    return chr(_FIRST + ord(name[0])) + name[1:] if name[:1].isascii() and name else name


def plain(text: str) -> str:
    """Return a text with the names of special tokens as they are spelled."""
    return text if text.isascii() else text.translate(_LETTERS)


def shown_in(text: str, names: Collection[str]) -> str:
    """Return a text in which those of these names are shown."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, shown(name))
    return text
