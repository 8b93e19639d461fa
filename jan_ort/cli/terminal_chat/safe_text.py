"""A model's text, piece by piece, without what would steer a terminal."""

from __future__ import annotations

_CONTROLS = {code for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
_DIRECTIONS = {0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_SURROGATES = set(range(0xD800, 0xE000))
_UNSAFE = dict.fromkeys(_CONTROLS | _DIRECTIONS | _SURROGATES)


def safe(text: str) -> str:
    """Return ``text`` without control characters but tab and line feed, and without marks of direction."""
    return text.translate(_UNSAFE)
