"""How much longer a text may become in a tokenizer's normalizer, pre-tokenizer or decoder, by what they say (hop 3)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tokenizers import Regex, normalizers

_ONCE = {"BertNormalizer": 3, "Lowercase": 3, "NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18, "Precompiled": 18}
"""Characters that one becomes at most, of what changes nothing when it is done twice (Unicode's UAX 15, table 1)."""

_BYTE_LEVEL = 4  # bytes of a character, each spelled as one
_MAY_MATCH_NOTHING = ("(?", "^", "$", "\\")
_CLASSES = ("\\s", "\\S", "\\d", "\\w", "\\p", "\\P", "\\r", "\\n", "\\t", "\\u", "\\x")


def components(described: Any) -> Iterator[Mapping[str, Any]]:
    """Yield each component of a section of tokenizer.json, whatever it is nested in."""
    pending = [described]
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            if "type" in each:
                yield each
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)


def growth(described: Any) -> float:
    """Return the characters that one character becomes at most."""
    factors, once = [], set()
    for each in components(described):
        kind = str(each["type"])
        if kind in _ONCE:
            once.add(_ONCE[kind])
        elif kind == "ByteLevel":
            factors.append(float(_BYTE_LEVEL))
        elif kind == "Replace":
            factors.append(_growth_by_replacing(each))
    return math.prod([*factors, *once])


def _growth_by_replacing(component: Mapping[str, Any]) -> float:
    pattern, size = component.get("pattern"), len(str(component.get("content", "")))
    spelled = pattern if isinstance(pattern, Mapping) else {}
    if plain := spelled.get("String"):
        return max(1.0, size / len(str(plain)))
    regex = str(spelled.get("Regex", ""))
    # Where a match is of nothing, the content comes between any two characters.
    return 1.0 + size if _may_match_nothing(regex) else max(1.0, float(size))


def _may_match_nothing(regex: str) -> bool:
    without_classes = regex
    for each in _CLASSES:
        without_classes = without_classes.replace(each, "")
    if any(each in without_classes for each in _MAY_MATCH_NOTHING):
        return True
    return len(normalizers.Replace(Regex(regex), "x").normalize_str("\x00")) > 1
