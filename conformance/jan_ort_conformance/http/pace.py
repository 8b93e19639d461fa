"""How fast a server is, so that a slow one is waited for."""

from __future__ import annotations

import time

import httpx

from jan_ort_conformance.http.asking import FREE, GENERATING, Asker, body_of
from jan_ort_conformance.http.events import events_of

NUM_TOKENS = 16


def measure_pace(asker: Asker) -> None:
    """Let the target know how many seconds a token takes, by a stream, which no limit of time cuts while it flows.

    Where nothing can be measured it stays 0: an answer is waited for as long as the longest silence.
    """
    path = next((path for path in GENERATING if asker.declaration.has(path)), None)
    if path is None:
        return
    body = body_of(path, **FREE | {"max_tokens": NUM_TOKENS, "min_tokens": NUM_TOKENS}, stream=True)
    try:
        asker.post(path, body | {"max_tokens": 1, "min_tokens": 1})  # what only the first request takes is no pace
        started = time.monotonic()
        answer = asker.post(path, body)
        took_s = time.monotonic() - started
        num_events = len(events_of(answer.body)) if answer.is_stream else 0
    except (httpx.TransportError, UnicodeDecodeError):
        return
    if num_events:
        asker.target.pace_s = took_s / min(num_events, NUM_TOKENS)
