"""The scanner against Python's own reader of JSON."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.chat.tools.json_scanner import JsonScanner, is_json_object

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(), values, max_size=4)
written = st.builds(
    lambda value, indent, ensure_ascii: json.dumps(value, indent=indent, ensure_ascii=ensure_ascii),
    objects,
    st.sampled_from([None, 0, 2]),
    st.booleans(),
)


def is_object_to_python(text: str) -> bool:
    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    try:
        value: Any = json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return isinstance(value, dict) and text == text.strip()


@given(text=written)
def test_every_beginning_of_json_is_accepted_and_only_its_end_is_the_end(text: str) -> None:
    scanner = JsonScanner()

    steps = [(scanner.feed(char), scanner.is_done) for char in text]

    assert steps == [(True, False)] * (len(text) - 1) + [(True, True)]


@given(text=written, at=st.integers(0, 1000), inserted=st.sampled_from([*'{}[]",:\\0123e.-+tfn u\n\x00', "", "NaN"]))
def test_a_damaged_text_is_json_only_if_python_thinks_so(text: str, at: int, inserted: str) -> None:
    place = at % len(text)
    damaged = text[:place] + inserted + text[place + 1 :]

    assert is_json_object(damaged) == is_object_to_python(damaged)


@pytest.mark.parametrize(
    "text", ["", "1", "true", '"a"', "[]", "{", " {}", "{} ", "{}{}", "{,}", '{"a" 1}', '{"a":01}']
)
def test_what_is_no_object_is_refused(text: str) -> None:
    assert not is_json_object(text)


@pytest.mark.parametrize("number", ["01", "-", "1.", "1e", "1e+", ".5", "+1", "-a", "1.5.2", "NaN", "-Infinity", "٣"])
def test_what_is_no_number_is_refused(number: str) -> None:
    assert not is_json_object(f'{{"a":{number}}}')
    assert not is_json_object(f'{{"a":[{number}]}}')


def test_depth_is_not_limited_by_the_stack_of_python() -> None:
    deep = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"

    assert is_json_object(deep)
    assert not is_json_object(deep[:-1])


def test_numbers_and_literals_do_not_stand_alone() -> None:
    assert not any(JsonScanner().feed(char) for char in "1-tfn ")
