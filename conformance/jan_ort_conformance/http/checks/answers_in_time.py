"""When answers come, and when they say that they were made."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

from jan_ort_conformance.http.check_tools.answers import chunks_of
from jan_ort_conformance.http.check_tools.asker import EITHER, GREEDY, NAMES, Asker, Untold, body_of
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import Level, expect

LONG = GREEDY | {"max_tokens": 160, "min_tokens": 160}
SHORT = GREEDY | {"max_tokens": 1, "min_tokens": 1}
NUM_TRIES = 3
LEAST_EVENTS = 32
LEAST_S = 0.02
"""A text that is written sooner than that may well be sent at once."""
BURST_S = 0.004
"""What comes over a longer time did not come at once."""
KEPT = 0.1
"""A stream whose text comes within this part of the time that it takes to write it was kept back."""
CLOCK_S = 120


def _plain_s(server: Asker, path: str, fields: dict[str, Any]) -> float:
    started = time.monotonic()
    server.ask(path, **fields)
    return time.monotonic() - started


def _arrivals(server: Asker, path: str) -> list[float]:
    """Return when each event of a stream came."""
    times: list[float] = []
    with server.opened(path, **LONG) as pieces:
        for piece in pieces:
            times += [time.monotonic()] * piece.count(b"data:")
    return times


@check("stream.comes_as_it_is_written", level=Level.CORE, needs=EITHER)
def comes_as_it_is_written(server: Asker) -> None:
    """A stream's events come while its text is written, and not all at its end."""
    for path in server.generating():
        seen = []
        for _ in range(NUM_TRIES):
            writing_s = _plain_s(server, path, LONG) - _plain_s(server, path, SHORT)
            times = _arrivals(server, path)
            if len(times) < LEAST_EVENTS:
                raise Untold(f"{NAMES[path]}: {len(times)} events are too few to tell")
            spread_s = times[-4] - times[3]  # the role may come first, and the end last
            seen.append((writing_s, spread_s))
            if spread_s > max(KEPT * writing_s, BURST_S):
                break
        else:
            if sorted(writing_s for writing_s, _ in seen)[NUM_TRIES // 2] < LEAST_S:
                raise Untold(f"{NAMES[path]}: a text that is written in {seen} s may well be sent at once")
            expect(False, f"{NAMES[path]}: what took {seen[0][0]:.3f} s to write came within {seen[0][1]:.3f} s")


@check("answer.is_created_when_asked", needs=EITHER)
def is_created_when_asked(server: Asker) -> None:
    """created is the time at which the question was served, by the clock of the answer's own Date."""
    for path in server.generating():
        plain = server.post(path, body_of(path, **SHORT))
        stream = server.post(path, body_of(path, **SHORT, stream=True))
        for answer, created in ((plain, plain.json["created"]), (stream, chunks_of(stream)[0]["created"])):
            if "date" not in answer.headers:
                raise Untold("the answer has no Date to compare created with")
            now = parsedate_to_datetime(answer.headers["date"]).timestamp()
            told = f"{NAMES[path]}: created is {created}, and the Date of the answer {now:.0f}"
            expect(abs(created - now) <= CLOCK_S + answer.duration_s, told)
