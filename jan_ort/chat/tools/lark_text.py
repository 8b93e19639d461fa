"""Texts as expressions of a grammar (hop 3)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping


def quoted(text: str) -> str:
    """Return a text as a Lark expression."""
    return json.dumps(text)


def as_parts(text: str, special_token_ids: Mapping[str, int]) -> list[str | int]:
    """Return a text in pieces, of which those that are special tokens are their ids."""
    names = sorted((name for name in special_token_ids if name in text), key=len, reverse=True)
    parts = re.split(f"({'|'.join(map(re.escape, names))})", text) if names else [text]
    return [special_token_ids.get(part, part) for part in parts if part]


def as_expression(text: str, special_token_ids: Mapping[str, int]) -> str:
    """Return a text as an expression that names special tokens by their ids: their text is that of other tokens."""
    parts = as_parts(text, special_token_ids)
    return " ".join(quoted(part) if isinstance(part, str) else f"<[{part}]>" for part in parts) or quoted("")
