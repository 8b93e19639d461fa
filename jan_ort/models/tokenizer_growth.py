"""How much longer a text may become in a tokenizer's normalizer, pre-tokenizer or decoder, by what they say (hop 3)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tokenizers import Regex, normalizers

_FORMS = {"NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18, "Precompiled": 18}
"""Characters that one becomes at most (Unicode's UAX 15, table 1); a form of a form is as long as one of them."""

_LOWERCASE = {"BertNormalizer": 3, "Lowercase": 3}
"""Likewise, of what changes nothing when it is done twice."""

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
    factors, forms, lowercase = [], 1, 1
    for each in components(described):
        kind = str(each["type"])
        forms = max(forms, _FORMS.get(kind, 1))
        lowercase = max(lowercase, _LOWERCASE.get(kind, 1))
        if kind == "ByteLevel":
            factors.append(float(_BYTE_LEVEL))
        elif kind == "Replace":
            factors.append(_growth_by_replacing(each))
    return math.prod([*factors, forms, lowercase])


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
