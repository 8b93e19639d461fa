"""Where a number ends that a schema lets go on: a small model repeats a digit to the end of its context (hop 7)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jan_ort.structured.vocabulary import NUMBER_BYTES, GrammarVocabulary

MAX_SIGNIFICANT = 17
"""Digits that tell every double from any other."""
MAX_DIGITS = 20
"""With zeros in front, which are not significant: what is smaller has an exponent."""
INT64 = range(-(2**63), 2**63)
_SHORT = 12
"""Characters that every number may have."""
_LOOKED_AHEAD = 40
"""Characters up to which another ending is looked for: it takes a mask for each token."""
_BEGUN = re.compile(rb"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]*)?")

_Mask = NDArray[np.bool_]


def number_so_far(number: bytes, text: bytes) -> bytes:
    """Return what the text ends with that may be the beginning of a number, ``number`` before ``text``."""
    rest = text.rstrip(NUMBER_BYTES)
    return text[len(rest) :] if rest else number + text


def bounded(allowed: _Mask, number: bytes, vocabulary: GrammarVocabulary, ends_after: Callable[[int], bool]) -> _Mask:
    """Return the mask without tokens that make ``number`` too long, as it is where that is no number.

    A schema that demands more has its way: if none is left, ``ends_after`` says after which token the number may end,
    and if there is no such, all may follow.
    """
    if not _BEGUN.fullmatch(number) or any(allowed[token_id] for token_id in vocabulary.usual_in_texts):
        return allowed  # mostly the end of a word in a text
    starts = vocabulary.number_starts
    is_long = starts.lengths + len(number) > _SHORT if b"e" not in number.lower() else np.True_
    going_on = np.flatnonzero(allowed[starts.token_ids] & is_long)
    if not going_on.size or (allowed & vocabulary.not_after_number).any():
        return allowed
    is_integer = not number.strip(b"-0123456789") and not allowed[vocabulary.points].any()
    left = allowed.copy()
    for at in going_on:
        if not _fits(number + starts.texts[at], is_integer=is_integer):
            left[starts.token_ids[at]] = False
    if left.any() or len(number) > _LOOKED_AHEAD:
        return left if left.any() else allowed
    left[[token_id for token_id in starts.token_ids[going_on] if ends_after(token_id)]] = True
    return left if left.any() else allowed


def may_end(allowed: _Mask, vocabulary: GrammarVocabulary) -> bool:
    """Whether the mask allows anything but more of a number."""
    others = allowed.copy()
    others[vocabulary.number_starts.token_ids] = False
    return bool(others.any())


def _fits(text: bytes, *, is_integer: bool) -> bool:
    if is_integer:
        return not text.strip(b"-") or int(text) in INT64
    mantissa, _, exponent = text.lower().partition(b"e")
    digits = mantissa.replace(b".", b"").lstrip(b"-")
    num_to_come = text.endswith(b".")
    if len(digits.lstrip(b"0")) + num_to_come > MAX_SIGNIFICANT or len(digits) + num_to_come > MAX_DIGITS:
        return False
    if len(exponent.lstrip(b"+-")) > 3:
        return False
    return not text[-1:].isdigit() or math.isfinite(float(text))
