"""The small vocabularies of tests/fixtures/tokenizers/, and what llama.cpp makes of many texts with them."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "fixtures" / "tokenizers"
RECORDED = FOLDER / "recorded.json"
"""Of scripts/record_tokenizers.py: for each vocabulary its keys, its special tokens, and the row of its digests."""

_SMOLLM2 = FOLDER.parent / "smollm2" / "tokens.json"
_TEXT, _NUMBER, _FLAG = 8, 4, 7
_SIZES = {_NUMBER: 4, _FLAG: 1}


@cache
def texts() -> tuple[str, ...]:
    """Return texts of many languages and kinds: those of the other recording, and more of spaces and special tokens."""
    more: list[str] = json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))
    rows = json.loads(_SMOLLM2.read_text(encoding="utf-8"))
    return tuple(dict.fromkeys([*(row["text"] for row in rows), *more]))


def digest(token_ids: Sequence[int]) -> str:
    """Return four hex digits."""
    return f"{zlib.crc32(','.join(map(str, token_ids)).encode()) & 0xFFFF:04x}"


def with_keys(source: Path, target: Path, keys: Mapping[str, str | int | bool]) -> Path:
    """Write a GGUF file that differs from ``source`` in some metadata, and return ``target``."""
    content = source.read_bytes()
    num_keys = struct.unpack_from("<Q", content, 16)[0]
    added = b""
    for key, value in keys.items():
        without = _without(content, key)
        num_keys += len(without) == len(content)
        content = without
        added += _string(key) + _value(value)
    target.write_bytes(content[:16] + struct.pack("<Q", num_keys) + added + content[24:])
    return target


def _without(content: bytes, key: str) -> bytes:
    begin = content.find(_string(key))
    if begin < 0:
        return content
    at = begin + len(_string(key)) + 4
    kind = struct.unpack_from("<I", content, at - 4)[0]
    size = 8 + struct.unpack_from("<Q", content, at)[0] if kind == _TEXT else _SIZES[kind]
    return content[:begin] + content[at + size :]


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: str | int | bool) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _TEXT) + _string(value)
    return struct.pack("<I?", _FLAG, value) if isinstance(value, bool) else struct.pack("<II", _NUMBER, value)
