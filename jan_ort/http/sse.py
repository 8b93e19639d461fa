"""Server-sent events: how JSON becomes frames (hop 9).

Source: WHATWG HTML, section 9.2 "Server-sent events".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}
DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"
PING_INTERVAL_S = 15.0
"""A comment goes out when nothing came for so long, or a proxy may give the stream up."""

# Made once: json.dumps makes one a call, which takes a tenth of an event's time.
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=list).encode


def frame(event: Any) -> bytes:
    """Return one event's frame: ``data:``, compact JSON on one line, an empty line; half a surrogate pair is a "?".

    A list in it may be an iterator.
    """
    return (
        b"data: " + _to_json(event).encode(errors="replace") + b"\n\n"
    )  # an error here would cut the stream without a word


def named_frame(event: Any) -> bytes:
    """Return one event's frame with its ``type`` as its name, by which some protocols' clients tell events apart."""
    return f"event: {event['type']}\n".encode() + frame(event)


class StreamFormat(NamedTuple):
    """How a protocol's chunks become bytes.

    ``ping`` goes out when nothing else has for long; ``end`` after the last chunk: a stream without it was cut.
    """

    headers: Mapping[str, str]
    frame: Callable[[Any], bytes]
    ping: bytes
    end: bytes


UNNAMED_EVENTS = StreamFormat(HEADERS, frame, PING, DONE)
NAMED_EVENTS = StreamFormat(HEADERS, named_frame, PING, DONE)
