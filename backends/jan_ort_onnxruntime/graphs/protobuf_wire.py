"""Reads and writes the encoding of protocol buffers: the fields of a message, in place and without a schema.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_FIELDS = 2**18
"""Of one message: a graph has a field for each node and tensor."""

_MAX_SHIFT = 63

Field = int | memoryview
"""A field's value: a number, or the bytes of a text, of a nested message or of packed numbers."""


def as_text(value: Field | bytes) -> str:
    """Return a field that is a text. Raises: ValueError if it is a number or no UTF-8."""
    return str(as_bytes(value), "utf-8")


def as_bytes(value: Field | bytes) -> memoryview:
    """Return the bytes of a field. Raises: ValueError if it is a number."""
    if isinstance(value, int):
        raise ValueError("a field is a number and should not be")
    return memoryview(value)


def read_fields(message: memoryview) -> Iterator[tuple[int, Field]]:
    """Yield number and value of each field; nested messages and texts are views, nothing is copied.

    Raises: ValueError or IndexError where the message is damaged.
    """
    position = count = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        count += 1
        if key < 8 or count > MAX_FIELDS:
            raise ValueError("a field has the number 0" if key < 8 else f"a message has more than {MAX_FIELDS} fields")
        if kind == 0:
            number, position = _varint(message, position)
            yield key >> 3, number
            continue
        if kind == 2:
            size, position = _varint(message, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if position + size > len(message):
            raise ValueError("it ends too early")
        yield key >> 3, message[position : position + size]
        position += size


def read_numbers(value: Field) -> Iterator[int]:
    """Yield the numbers of a repeated field, packed or not."""
    if isinstance(value, int):
        yield value
        return
    position = 0
    while position < len(value):
        number, position = _varint(value, position)
        yield number


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > _MAX_SHIFT:
            raise ValueError("a number has more than 64 bits")


def write_field(number: int, content: bytes | memoryview) -> bytes:
    """Return a field that is a text, a nested message or bytes."""
    return _written(number << 3 | 2) + _written(len(content)) + bytes(content)


def write_number(number: int, value: int) -> bytes:
    """Return a field that is a number; one below 0 has 64 bits."""
    return _written(number << 3) + _written(value & 2**64 - 1)


def _written(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
