"""JSON Schema's regular expressions, which are ECMA-262's, in the matcher's dialect, which is Rust's.

Source: ECMA-262, sections 12.2, 12.3 and 22.2.2 (white space, line terminators, character classes).
"""

from __future__ import annotations

import re

_SPACE = r"\t\n\x0B\x0C\r\x20\u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}"
_NOT_LINE_END = r"[^\n\r\u{2028}\u{2029}]"


_COUNTS = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}")


def repetitions(pattern: str) -> int:
    """Return the largest product of nested ``{m,n}`` counts in the pattern."""
    heaviest = [1]
    last, at, in_class = 1, 0, False
    while at < len(pattern):
        character = pattern[at]
        counts = None if in_class else _COUNTS.match(pattern, at)
        if counts is not None:
            last *= max(int(counts[1]), int(counts[3] or 1), 1)
            heaviest[-1] = max(heaviest[-1], last)
        elif character == "(" and not in_class:
            heaviest.append(1)
        elif character == ")" and not in_class and len(heaviest) > 1:
            last = heaviest.pop()
            heaviest[-1] = max(heaviest[-1], last)
        else:
            last = 1
            in_class = character == "[" or (in_class and character != "]")
        at = counts.end() if counts is not None else at + 1 + (character == "\\")
    return max(heaviest)


def to_rust(pattern: str) -> str:
    """Return the pattern with ``.`` and ``\\s`` spelled out; the two dialects differ there on a few characters."""
    parts: list[str] = []
    in_class = False
    at = 0
    while at < len(pattern):
        part = pattern[at : at + 2] if pattern[at] == "\\" else pattern[at]
        at += len(part)
        if part == r"\s":
            part = _SPACE if in_class else f"[{_SPACE}]"
        elif part == r"\S" and not in_class:
            part = f"[^{_SPACE}]"
        elif part == "." and not in_class:
            part = _NOT_LINE_END
        elif part == "[" and not in_class:
            in_class = True
        elif part == "[":
            part = r"\["  # Rust nests classes
        elif part == "]":
            in_class = False
        parts.append(part)
    return "".join(parts)
