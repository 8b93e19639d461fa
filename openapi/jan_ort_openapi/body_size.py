"""How many values a body holds, counted before it is read: each takes more memory than it has bytes (hop 2)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import pairwise

from jan_ort_openapi.body_errors import MalformedBody, TooManyValues
from jan_ort_openapi.json_text import MAX_DEPTH, TOO_DEEP

MAX_VALUES = 2**20
"""Values that a body may hold, all levels added up: three times the token ids that OpenAI's embeddings take at once."""

VALUES_A_FIELD = 16
"""Values in arrays that cost as much as one field, object or array; so many fewer of those are allowed."""

_OPENS = re.compile(rb"\s*:\s*[\[{]")

_PIECE_BYTES = 2**16
"""What is looked at in one go: such calls hold the interpreter's lock."""


def check_size(body: bytes, names: Collection[str], max_values: int = MAX_VALUES) -> None:
    """Check that the JSON text has at most ``max_values`` values, and a sixteenth as many fields, objects and arrays.

    ``names`` are the fields that it may have. Raises: TooManyValues, naming the one that seems to hold them;
    MalformedBody for what is nested too deep, which says more.
    """
    max_fields = max_values // VALUES_A_FIELD
    num_values, num_fields = _count(body)
    if num_values <= max_values and num_fields <= max_fields:
        return  # though it counts what only looks like a value, in texts
    num_values = num_fields = depth = 0
    for part in _outside_texts(body):
        more_values, more_fields = _count(part)
        num_values, num_fields = num_values + more_values, num_fields + more_fields
        depth += part.count(b"[") + part.count(b"{") - part.count(b"]") - part.count(b"}")
        if depth > MAX_DEPTH:
            raise MalformedBody(TOO_DEEP)
    if num_values > max_values:
        raise TooManyValues(_largest(body, names), "values", num_values, max_values)
    if num_fields > max_fields:
        raise TooManyValues(_largest(body, names), "fields, objects and arrays", num_fields, max_fields)


def _count(text: bytes) -> tuple[int, int]:
    """Return the number of values, and of fields, objects and arrays."""
    num_nested = text.count(b"[") + text.count(b"{")
    return text.count(b",") + num_nested, text.count(b":") + num_nested


def _outside_texts(body: bytes) -> Iterator[bytes]:
    without_escapes = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    is_text = False
    for start in range(0, len(without_escapes), _PIECE_BYTES):
        parts = without_escapes[start : start + _PIECE_BYTES].split(b'"')
        yield b"".join(parts[is_text::2])
        is_text ^= len(parts) % 2 == 0


def _largest(body: bytes, names: Collection[str]) -> str | None:
    """Return which of the fields reaches farthest before the next one begins, None if none is an array or object."""
    found = sorted((at, name) for name in names for at in _places(body, b'"%b"' % name.encode()))
    reach = [(end - start, name) for (start, name), (end, _) in pairwise([*found, (len(body), "")])]
    return max(reach, default=(0, None))[1]


def _places(body: bytes, name: bytes) -> Iterator[int]:
    """Yield where an array or object of this name begins: found one by one, for each search holds the lock."""
    at = body.find(name)
    while at >= 0:
        if _OPENS.match(body, at + len(name)):
            yield at
        at = body.find(name, at + len(name))
