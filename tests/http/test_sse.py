"""Frames of server-sent events."""

from __future__ import annotations

import json

import pytest

from jan_ort.http.sse import DONE, PING, frame, named_frame


@pytest.mark.parametrize("text", ["", "plain", "two\nlines\r\nand\r", "\u2028\u2029\x85", "☃ 👩‍🚀", '"quoted" \\'])
def test_a_frame_is_one_line_of_json_and_an_empty_line(text: str) -> None:
    raw = frame({"text": text})

    line, end = raw[:-2], raw[-2:]
    assert end == b"\n\n"
    assert b"\n" not in line
    assert b"\r" not in line
    assert json.loads(line.removeprefix(b"data: ")) == {"text": text}


def test_half_of_a_surrogate_pair_does_not_end_the_stream() -> None:
    assert frame({"text": "cannot read \udcff.bin"}) == b'data: {"text":"cannot read ?.bin"}\n\n'


def test_done_and_ping_are_whole_frames() -> None:
    assert DONE == b"data: [DONE]\n\n"
    assert PING.startswith(b":")
    assert PING.endswith(b"\n\n")


def test_a_named_event_has_its_type_as_its_name() -> None:
    assert named_frame({"type": "ping"}) == b'event: ping\ndata: {"type":"ping"}\n\n'
