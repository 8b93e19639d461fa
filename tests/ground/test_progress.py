import io
import logging

import pytest

from jan_ort.ground.progress import ByteShare, LogProgress, in_bytes, show_progress


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


def test_a_process_without_standard_error_gets_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)

    with show_progress() as progress:
        assert isinstance(progress, LogProgress)


def test_anything_else_gets_the_log() -> None:
    stream = io.StringIO()

    with show_progress(stream) as progress:
        progress("Downloading", 0.5)

    assert isinstance(progress, LogProgress)
    assert stream.getvalue() == ""


def test_a_share_of_bytes_is_told_in_megabytes_with_its_rate_and_what_is_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 110.0])
    monkeypatch.setattr("jan_ort.ground.progress.time.monotonic", lambda: next(clock))
    progress = in_bytes(LogProgress(), 4_000_000_000)

    with caplog.at_level(logging.INFO):
        progress("Converting", 0.0)
        progress("Converting", 0.45)

    assert caplog.messages == ["Converting", "Converting: 45 % (1,800 of 4,000 MB, 180.0 MB/s, 12 s left)"]


def test_a_bar_tells_megabytes_and_the_rate() -> None:
    terminal = Terminal()

    with show_progress(terminal) as progress:
        progress("Converting", ByteShare(0.5, 4_000_000))

    assert "2 of 4 MB" in terminal.getvalue()


def test_a_stage_that_is_done_keeps_its_bytes() -> None:
    terminal = Terminal()

    with show_progress(terminal) as progress:
        progress("Downloading", ByteShare(1.0, 98_000_000))
        progress("Downloading", 1.0)

    assert "98 of 98 MB" in terminal.getvalue().rpartition("Downloading")[2]
