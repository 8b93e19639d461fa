"""Several requests at once, and clients that leave."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from jan_ort_conformance.http.check_tools.answers import joined, parsed
from jan_ort_conformance.http.check_tools.asker import COMPLETIONS, FREE, GREEDY, PROMPT, Asker
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.server.events import events_of
from jan_ort_conformance.verdicts.verdict import Level, expect

NUM_LEAVING = 12
"""More clients than a server commonly has slots."""


@check("connection.streams_are_independent", level=Level.CORE, needs=[COMPLETIONS])
def streams_are_independent(server: Asker) -> None:
    """A second request does not cut or change a running stream."""
    fields = GREEDY | {"max_tokens": 100, "min_tokens": 100}
    alone = joined(server.stream(COMPLETIONS, **fields))

    with server.opened(COMPLETIONS, **fields) as pieces:
        first = next(pieces)
        server.said(COMPLETIONS, **FREE)
        rest = b"".join(pieces)

    text = joined(parsed(events_of(first + rest)))
    expect(text == alone, f"beside another request the stream says {text!r}, alone {alone!r}")


@check("connection.seeds_hold_in_company", needs=[COMPLETIONS])
def seeds_hold_in_company(server: Asker) -> None:
    """A seeded request gives the same text alone and beside seven others."""
    alone = server.said(COMPLETIONS, **FREE)

    with ThreadPoolExecutor(8) as pool:
        others = [pool.submit(server.said, COMPLETIONS, **FREE | {"seed": seed}) for seed in range(100, 107)]
        beside = pool.submit(server.said, COMPLETIONS, **FREE).result()
        for other in others:
            other.result()

    expect(beside == alone, f"alone {alone!r}, beside others {beside!r}")


@check("connection.leaving_frees_the_slot", level=Level.CORE, needs=[COMPLETIONS])
def leaving_frees_the_slot(server: Asker) -> None:
    """Clients that leave their streams do not keep the next one waiting."""
    endless = GREEDY | {"max_tokens": None, "min_tokens": 10**6}
    started = time.monotonic()
    server.said(COMPLETIONS, **GREEDY)
    undisturbed_s = time.monotonic() - started

    for _ in range(NUM_LEAVING):
        with server.opened(COMPLETIONS, **endless) as pieces:
            next(pieces)
    started = time.monotonic()
    server.said(COMPLETIONS, **GREEDY, prompt=PROMPT + " a")
    took_s = time.monotonic() - started

    limit_s = 3.0 + 10 * undisturbed_s
    expect(took_s <= limit_s, f"after {NUM_LEAVING} clients left, a request took {took_s:.1f} s, not {limit_s:.1f}")


def _wait_s(server: Asker) -> float:
    started = time.monotonic()
    server.ask(COMPLETIONS, **GREEDY | {"max_tokens": 1, "min_tokens": 1})
    return time.monotonic() - started


@check("connection.leaving_ends_the_work", level=Level.STRICT, needs=[f"{COMPLETIONS} n"])
def leaving_ends_the_work(server: Asker) -> None:
    """What was begun for a client that has left is not computed to its end: the next one finds the server free."""
    undisturbed_s = min(_wait_s(server) for _ in range(3))
    endless = GREEDY | {"max_tokens": None, "min_tokens": 10**6, "n": 8}
    waits = []
    for _ in range(NUM_LEAVING):
        with server.opened(COMPLETIONS, **endless) as pieces:
            next(pieces)
        time.sleep(0.3)
        waits.append(_wait_s(server))
    told = f"after clients left, a token took {min(waits):.2f} s or more; undisturbed {undisturbed_s:.2f} s"
    expect(min(waits) <= 0.5 + 8 * undisturbed_s, told)


@check("connection.errors_leave_it_alive", level=Level.CORE, needs=[COMPLETIONS])
def errors_leave_it_alive(server: Asker) -> None:
    """After refusals of every kind the server serves as before."""
    before = server.said(COMPLETIONS, **GREEDY)
    for body in ({"prompt": 5}, {"grammar": "root ::="}, {"logit_bias": {"x": 1}}, {"temperature": -5}, {"n": -1}):
        server.post(COMPLETIONS, body | {"max_tokens": 1})

    expect(server.said(COMPLETIONS, **GREEDY) == before, "after refusals the same request gives another text")
