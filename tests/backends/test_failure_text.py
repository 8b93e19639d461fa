"""Errors as text: in one line, of bounded length, and such that UTF-8 can hold it."""

from __future__ import annotations

import pytest

from jan_ort_backends.failure_text import LIMIT, message_line, one_line, plain, trace


@pytest.mark.parametrize("text", ["", "plain", "größer ☃ 👩‍🚀", "\x00\x1b", "\ud83d\ude00 written as two halves"])
def test_what_utf_8_can_hold_stays_and_the_rest_is_escaped(text: str) -> None:
    assert plain(text).encode().decode() == text.replace("\ud83d\ude00", "\\ud83d\\ude00")


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


def test_a_traceback_is_text_whatever_the_error_does() -> None:
    class Noted(Exception):
        @property
        def __notes__(self) -> list[str]:
            raise OSError

    assert trace(OSError("\udcff")).endswith("OSError: \\udcff\n")
    assert "Noted" in trace(Noted()) or "cannot be read: OSError" in trace(Noted())  # as the version of Python has it
