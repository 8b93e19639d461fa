"""Server-sent events are parsed by the WHATWG's rules."""

from __future__ import annotations

import pytest

from jan_ort_conformance.http.server.events import events_of, is_event_stream


@pytest.mark.parametrize(
    ("body", "events"),
    [
        ("data: a\n\ndata: b\n\n", ["a", "b"]),
        ("data:a\r\n\r\ndata:  b\r\r", ["a", " b"]),
        ("data: a\ndata: b\n\n", ["a\nb"]),
        ("\ufeffretry: 1\n\n\n\n: ping\n\nid: 1\nevent: x\ndata: a\n\n", ["a"]),
        ("data\n\ndata: é\n\n", ["", "é"]),
        ("database: a\n\n{}\n\n", []),
        ("data: a\n\ndata: b\n", ["a"]),
    ],
)
def test_events_are_what_a_client_would_dispatch(body: str, events: list[str]) -> None:
    assert events_of(body.encode()) == events


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("text/event-streams", False),
        ("application/json", False),
        (None, False),
    ],
)
def test_a_content_type_is_read_in_any_case(content_type: str | None, expected: bool) -> None:
    assert is_event_stream(content_type) is expected
