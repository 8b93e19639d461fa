import io
import logging

import pytest

from jan_ort.ground.progress import LogProgress, show_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_log_gets_a_line_per_stage_and_per_quarter(caplog: pytest.LogCaptureFixture) -> None:
    progress = LogProgress()

    with caplog.at_level(logging.INFO):
        for percent in range(101):
            progress("Downloading", percent / 100)
        progress("Converting", 0.0)

    quarters = [f"Downloading: {percent} %" for percent in (25, 50, 75, 100)]
    assert caplog.messages == ["Downloading", *quarters, "Converting"]


def test_a_terminal_gets_a_bar_for_each_stage() -> None:
    terminal = Terminal()

    with show_progress(terminal) as progress:
        progress("Downloading", 0.5)
        progress("Converting", 1.5)

    assert "Downloading" in terminal.getvalue()
    assert "Converting" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_anything_else_gets_the_log() -> None:
    stream = io.StringIO()

    with show_progress(stream) as progress:
        progress("Downloading", 0.5)

    assert isinstance(progress, LogProgress)
    assert stream.getvalue() == ""
