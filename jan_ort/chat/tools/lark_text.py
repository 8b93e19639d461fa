"""Texts as expressions of a grammar (hop 3)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping


def quoted(text: str) -> str:
    """Return a text as a Lark expression."""
    return json.dumps(text)


def as_expression(text: str, special_token_ids: Mapping[str, int]) -> str:
    """Return a text in which special tokens stand, which are named by their ids: their text is that of other tokens."""
    names = sorted((name for name in special_token_ids if name in text), key=len, reverse=True)
    if not names:
        return quoted(text)
    parts = re.split(f"({'|'.join(map(re.escape, names))})", text)
    return " ".join(
        f"<[{special_token_ids[part]}]>" if part in special_token_ids else quoted(part) for part in parts if part
    )
