"""A parser of server-sent events, by the rules of the WHATWG's HTML standard, section 9.2.6."""

from __future__ import annotations

import re

MEDIA_TYPE = "text/event-stream"


def is_event_stream(content_type: str | None) -> bool:
    """Whether a Content-Type, in whatever case and with whatever parameters, is that of server-sent events."""
    return (content_type or "").partition(";")[0].strip().lower() == MEDIA_TYPE


def events_of(body: bytes) -> list[str]:
    """Return the data of each event that a client would dispatch. Raises: UnicodeDecodeError.

    Comments and the fields ``event``, ``id`` and ``retry`` are read over; an event that is cut off at the end is lost.
    """
    events: list[str] = []
    held: list[str] = []
    *whole, _ = re.split("\r\n|\n|\r", body.decode("utf-8-sig"))
    for line in whole:
        if not line:
            events += ["\n".join(held)] if held else []
            held = []
        name, _, value = line.partition(":")
        if name == "data":
            held.append(value.removeprefix(" "))
    return events
