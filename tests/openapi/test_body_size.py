"""How many values a body holds: told without reading it, and whatever its texts hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort_openapi import MalformedBody, TooManyValues
from jan_ort_openapi.body_size import VALUES_A_FIELD, check_size

_TEXTS = st.text(alphabet='ab"\\,:[]{}\né', max_size=8)
_BODIES = st.dictionaries(
    _TEXTS,
    st.recursive(
        st.none() | st.booleans() | st.integers() | _TEXTS,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXTS, inner, max_size=5),
        max_leaves=30,
    ),
    max_size=5,
)


def count(value: Any) -> tuple[int, int]:
    """Return how many commas and brackets, and how many colons and brackets, a value's JSON has outside of texts."""
    if not isinstance(value, dict | list):
        return 0, 0
    below = [count(each) for each in (value.values() if isinstance(value, dict) else value)]
    values, fields = (sum(each) for each in zip((0, 0), *below, strict=True))
    return values + 1 + max(0, len(value) - 1), fields + 1 + (len(value) if isinstance(value, dict) else 0)


def is_allowed(body: bytes, max_values: int) -> bool:
    try:
        check_size(body, ["prompt"], max_values)
    except TooManyValues:
        return False
    return True


@given(_BODIES, st.booleans())
def test_a_body_is_allowed_exactly_when_it_holds_no_more(value: Any, is_ascii: bool) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii).encode()
    num_values, num_fields = count(value)
    needed = max(num_values, num_fields * VALUES_A_FIELD)

    assert is_allowed(body, needed)
    assert not is_allowed(body, needed - 1)


@pytest.mark.parametrize("before", range(65_530, 65_542))
def test_a_text_is_a_text_across_the_pieces_that_are_looked_at(before: int) -> None:
    quoted = json.dumps(json.dumps(["a,b" * 9] * 30))

    body = f'{{"prompt": ["{"x" * before}", {quoted}]}}'.encode()

    assert is_allowed(body, 3 * VALUES_A_FIELD)
    assert not is_allowed(body, 3 * VALUES_A_FIELD - 1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b'{"model": "a", "prompt": [' + b"1," * 999 + b"1]}",
            "prompt: 1002 values are given; at most 160 are allowed",
        ),
        (
            b'{"prompt": [{"a": [1]}' + b', {"b": 2}' * 40 + b"]}",
            "prompt: 86 fields, objects and arrays are given; at most 10",
        ),
        (b'{"x": [' + b"1," * 999 + b"1]}", "1001 values are given; at most 160 are allowed"),
    ],
)
def test_the_refusal_names_the_field_and_both_numbers(body: bytes, message: str) -> None:
    with pytest.raises(TooManyValues, match=f"^{message}"):
        check_size(body, ["model", "prompt"], 160)


def test_what_is_nested_too_deep_is_malformed_and_not_too_much() -> None:
    with pytest.raises(MalformedBody, match="deeper than 200 levels"):
        check_size(b"[" * 70_000, [], 160)
