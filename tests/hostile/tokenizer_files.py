"""Hostile tokenizer.json files: a small byte-level one with one of its parts replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MODEL: dict[str, Any] = {
    "type": "BPE",
    "dropout": None,
    "unk_token": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": False,
    "vocab": {chr(code): index for index, code in enumerate(range(32, 127))},
    "merges": [],
}
WORD_PIECE = {
    "type": "WordPiece",
    "unk_token": "[UNK]",
    "continuing_subword_prefix": "##",
    "vocab": {"[UNK]": 0, "a": 1},
}
SECTIONS = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder"))


def write(path: Path, parts: dict[str, Any] | str) -> Path:
    """Write the file with these parts, or just that text."""
    content = {"version": "1.0", "added_tokens": [], "model": MODEL, **SECTIONS}
    path.write_text(parts if isinstance(parts, str) else json.dumps(content | parts), encoding="utf-8")
    return path


def model(**changes: Any) -> dict[str, Any]:
    """Return the part of the model with some of its own parts replaced."""
    return {"model": MODEL | changes}


def split(regex: str) -> dict[str, Any]:
    """Return a pre-tokenizer of a regular expression."""
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


def replace(pattern: str, content: str, kind: str = "String") -> dict[str, Any]:
    """Return a normalizer or decoder that replaces."""
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def normalizers(*each: dict[str, Any]) -> dict[str, Any]:
    """Return a sequence of normalizers."""
    return {"type": "Sequence", "normalizers": list(each)}


def added(count: int, *, normalized: bool = False, content: str = "<t{}>") -> list[dict[str, Any]]:
    """Return so many added tokens."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip"), False) | {"normalized": normalized, "special": True}
    return [{"id": 95 + index, "content": content.format(index), **flags} for index in range(count)]


def padding(strategy: str | dict[str, int], multiple: int | None = None) -> dict[str, Any]:
    """Return what makes every text as long as this says."""
    kind = {"strategy": strategy, "direction": "Right", "pad_to_multiple_of": multiple}
    return kind | {"pad_id": 0, "pad_type_id": 0, "pad_token": "x"}


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def template(times: int, ids: int) -> dict[str, Any]:
    """Return a post-processor that puts many tokens around a text."""
    special = {"x": {"id": "x", "ids": [1] * ids, "tokens": ["x"] * ids}}
    single = [{"SpecialToken": {"id": "x", "type_id": 0}}] * times + [{"Sequence": {"id": "A", "type_id": 0}}]
    return {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": special}
