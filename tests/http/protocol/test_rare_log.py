"""A line of the log that clients can cause at will."""

from __future__ import annotations

import logging
import time

import pytest

from jan_ort.http.protocol.rare_log import RareLog


def test_a_line_is_written_once_a_second_with_the_number_of_those_left_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    log = RareLog(logging.getLogger("rare"))

    for _ in range(1000):
        log.warning("%s came", "it")
    now = 101.5
    log.warning("%s came", "it")

    assert caplog.messages == ["it came", "it came (999 such lines left out before)"]
