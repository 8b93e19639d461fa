"""Errors as text: in one line, of bounded length, and such that UTF-8 can hold it."""

from __future__ import annotations

import pytest

from jan_ort_backends import ModelError
from jan_ort_backends.failure_text import LIMIT, message_line, one_line, reason_of, trace


@pytest.mark.parametrize("text", ["", "plain", "größer ☃ 👩‍🚀", "\x00\x1b", "\ud83d\ude00 written as two halves"])
def test_what_utf_8_can_hold_stays_and_the_rest_is_escaped(text: str) -> None:
    assert message_line(ValueError(text)).encode().decode() == text.replace("\ud83d\ude00", "\\ud83d\\ude00")


def test_half_of_a_pair_in_a_message_is_shown() -> None:
    assert one_line(OSError("cannot find \udcff.so")) == "OSError: cannot find \\udcff.so"


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    line = message_line(ValueError("begin" + "\udcff" * 3_000_000 + "end"))

    assert LIMIT - 2 <= len(line) <= LIMIT
    assert line.startswith("begin\\udcff")
    assert line.endswith("\\udcffend")
    assert "\\udcff\\udcf" in line


@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT])
def test_a_message_of_the_greatest_length_is_whole(length: int) -> None:
    assert message_line(ValueError("x" * length)) == "x" * length


@pytest.mark.parametrize(
    ("error", "reason"), [(ModelError("no\nfile"), "no file"), (OSError("no\nfile"), "OSError: no file")]
)
def test_the_interfaces_own_errors_give_their_reason_without_their_type(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_traceback_is_text_that_utf_8_can_hold() -> None:
    assert trace(OSError("\udcff")).endswith("OSError: \\udcff\n")
