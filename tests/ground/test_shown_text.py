"""Text of others in a log and on a terminal: one line, no control characters, bounded."""

from __future__ import annotations

import io
import logging

import pytest

from jan_ort.ground.shown_text import (
    MAX_LINE,
    ShownFormatter,
    ShownRecord,
    quoted,
    show_log_lines_safely,
    shown,
)

HOSTILE = "a\n2026-01-01 INFO forged\r\x1b[2J\x9b1m\x07\x00\u2028\u202e\u2066\ud800é漢 b\t"


@pytest.mark.parametrize("text", [HOSTILE, "\x85", "\x7f", "\x0b\x0c", "\u061c"])
def test_what_is_shown_is_one_line_that_steers_nothing(text: str) -> None:
    line = shown(text)

    assert len(line.splitlines()) == 1
    assert [sign for sign in line if not sign.isprintable()] == []
    assert line.encode()


def test_other_text_is_shown_as_it_is() -> None:
    assert shown("Größe 漢字 ☃\u00a0\u200d 'x' \\n") == "Größe 漢字 ☃\u00a0\u200d 'x' \\n"


def test_a_long_text_is_cut_and_says_how_long_it_is() -> None:
    assert shown("a" * 5_000_000) == "a" * MAX_LINE + "... (5000000 characters)"
    assert quoted("/v1/models") == "/v1/models"
    assert quoted("it is answered 200") == "'it is answered 200'"
    assert quoted("b\n" * 200, 3) == "'b\\nb'... (400 characters)"


@pytest.fixture
def log() -> tuple[logging.Logger, io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(ShownFormatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.makeRecord = lambda *given, **more: ShownRecord(*given[:7], given[7])  # type: ignore[method-assign]
    return logger, written


@pytest.mark.parametrize("message", ["said: %s", "said: %r", "said: %(text)s"])
def test_whatever_is_logged_is_one_line(log: tuple[logging.Logger, io.StringIO], message: str) -> None:
    logger, written = log

    logger.info(message, {"text": HOSTILE} if "(" in message else HOSTILE)

    assert written.getvalue().count("\n") == 1
    assert "\x1b" not in written.getvalue()


def test_a_traceback_stays_readable_and_no_line_of_it_passes_for_the_logs(
    log: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, written = log
    try:
        raise ValueError(HOSTILE + "\n" * 10_000)
    except ValueError:
        logger.exception("it failed")

    first, *trace = written.getvalue().removesuffix("\n").split("\n")
    assert first == "ERROR test: it failed"
    assert len(trace) < 500
    assert [line for line in trace if not line.startswith("  | ")] == []
    assert any("raise ValueError(HOSTILE" in line for line in trace)
    assert "\x1b" not in written.getvalue()


def test_records_of_every_logger_are_shown_so() -> None:
    show_log_lines_safely()

    record = logging.getLogger("hypercorn.access").makeRecord("n", 20, "f", 1, "GET %s", ("/\n\x1b[2J",), None)

    assert record.getMessage() == "GET /\\n\\x1b[2J"
