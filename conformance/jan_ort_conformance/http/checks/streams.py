"""Streams: their grammar, their end, and that they hold what a plain answer holds."""

from __future__ import annotations

import json

from jan_ort_conformance.http.check_tools.answers import chunks_of, frames_of, joined, text_of
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    EITHER,
    FREE,
    NAMES,
    Asker,
    body_of,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import Level, expect

SHORT = 40
"""Characters that may be one event: 24 tokens of most texts are more of them."""


@check("stream.is_server_sent_events", level=Level.CORE, needs=EITHER)
def is_server_sent_events(server: Asker) -> None:
    """A stream is text/event-stream, by the WHATWG's rules, of events that hold JSON objects but for the last."""
    for path in server.generating():
        payloads = frames_of(server.post(path, body_of(path, **FREE, stream=True)))

        for payload in payloads[:-1]:
            expect(
                isinstance(json.loads(payload), dict), f"{NAMES[path]}: an event is not an object: {payload[:200]!r}"
            )
        is_short = len(payloads) > 1 and len(joined([json.loads(payload) for payload in payloads[:-1]])) < SHORT
        expect(is_short or len(payloads) > 2, f"{NAMES[path]}: 24 tokens should be more than {len(payloads)} events")


@check("stream.ends_with_done", level=Level.CORE, needs=EITHER)
def ends_with_done(server: Asker) -> None:
    """The last event of a stream is [DONE], there is but one, and none ends a stream that has failed."""
    for path in server.generating():
        chunks_of(server.post(path, body_of(path, **FREE, stream=True)))


@check("stream.deltas_are_the_text", level=Level.CORE, needs=EITHER)
def deltas_are_the_text(server: Asker) -> None:
    """The deltas of a stream together are the text of the same request without stream."""
    for path in server.generating():
        whole = server.said(path, **FREE | {"temperature": 0})

        pieces = joined(server.stream(path, **FREE | {"temperature": 0}))

        expect(pieces == whole, f"{NAMES[path]}: the stream says {pieces!r}, the plain answer {whole!r}")


@check("stream.has_one_finish_reason", level=Level.CORE, needs=EITHER)
def has_one_finish_reason(server: Asker) -> None:
    """The last chunk of a choice, and only that, has its finish_reason."""
    for path in server.generating():
        chunks = server.stream(path, **FREE)

        # The document wants the member in each chunk, which fuzzing checks; here left out is null.
        reasons = [choice.get("finish_reason") for chunk in chunks for choice in chunk["choices"]]
        expect(reasons[-1] in ("stop", "length"), f"{NAMES[path]}: the last finish_reason is {reasons[-1]!r}")
        expect(set(reasons[:-1]) == {None}, f"{NAMES[path]}: finish_reasons before the end: {reasons}")


@check("stream.is_one_answer", needs=EITHER)
def is_one_answer(server: Asker) -> None:
    """Every chunk of a stream has the same id, model and created, and the object of its API."""
    for path in server.generating():
        kind = {COMPLETIONS: "text_completion", CHAT: "chat.completion.chunk"}[path]
        chunks = server.stream(path, **FREE)

        for name in ("id", "model", "created"):
            expect(len({chunk[name] for chunk in chunks}) == 1, f"{NAMES[path]}: {name} changes within a stream")
        objects = {chunk["object"] for chunk in chunks}
        expect(objects == {kind}, f"{NAMES[path]}: object should be {kind!r}, not {objects}")


@check("stream.chat_begins_with_the_role", level=Level.CORE, needs=[CHAT])
def chat_begins_with_the_role(server: Asker) -> None:
    """The first delta of each choice of a chat says that the assistant speaks, and none says another."""
    several = {"n": 2} if server.declaration.has(f"{CHAT} n") else {}
    said: dict[int, list[str | None]] = {}
    for chunk in server.stream(CHAT, **FREE, **several):
        for choice in chunk["choices"]:
            said.setdefault(choice["index"], []).append(choice["delta"].get("role"))

    for index, roles in said.items():
        expect(roles[0] == "assistant", f"the first delta of choice {index} has the role {roles[0]!r}")
        expect(set(roles) <= {"assistant", None}, f"the roles of choice {index} are {roles}")


@check("stream.chat_ends_with_an_empty_delta", level=Level.STRICT, needs=[CHAT])
def chat_ends_with_an_empty_delta(server: Asker) -> None:
    """The chunk with a chat's finish_reason has the delta {}."""
    last = server.stream(CHAT, **FREE)[-1]["choices"][0]

    expect(last["delta"] == {}, f"the last delta is {last['delta']}")


@check("stream.holds_no_half_character", needs=[COMPLETIONS])
def holds_no_half_character(server: Asker) -> None:
    """No delta holds a part of a character, which would be read as U+FFFD."""
    grammar = 'root ::= "☃𝄞☃𝄞☃𝄞"'

    chunks = server.stream(COMPLETIONS, **FREE | {"max_tokens": 60, "min_tokens": 0}, grammar=grammar)

    text = joined(chunks)
    expect("\ufffd" not in text, f"the text of ☃𝄞☃𝄞☃𝄞 is streamed as {text!r}")
    expect(text == "☃𝄞☃𝄞☃𝄞", f"the text of ☃𝄞☃𝄞☃𝄞 is streamed as {text!r}")


@check("stream.choices_are_kept_apart", needs=[*EITHER, f"{COMPLETIONS} n"])
def choices_are_kept_apart(server: Asker) -> None:
    """A stream of several choices holds each of them whole, under its own index."""
    for path in server.generating():
        whole = server.ask(path, **FREE, n=2)["choices"]

        chunks = server.stream(path, **FREE, n=2)

        for choice in whole:
            text = text_of(choice)
            streamed = joined(chunks, choice["index"])
            expect(streamed == text, f"{NAMES[path]}: choice {choice['index']} is {streamed!r}, plainly {text!r}")


@check("stream.is_not_stored", level=Level.STRICT, needs=EITHER)
def is_not_stored(server: Asker) -> None:
    """A stream forbids caches to store it and proxies to buffer it, and names its charset."""
    for path in server.generating():
        headers = server.post(path, body_of(path, **FREE, stream=True)).headers

        expect("no-store" in headers.get("cache-control", ""), f"Cache-Control: {headers.get('cache-control')!r}")
        expect(headers.get("x-accel-buffering") == "no", f"X-Accel-Buffering: {headers.get('x-accel-buffering')!r}")
        expect("utf-8" in headers.get("content-type", "").lower(), f"Content-Type: {headers.get('content-type')!r}")


@check("stream.errors_come_before_it", needs=EITHER)
def errors_come_before_it(server: Asker) -> None:
    """What cannot be served is refused with a status, not inside a stream that has begun."""
    for path in server.generating():
        answer = server.post(path, body_of(path, stream=True, grammar="root ::= nothing"))

        expect(not answer.is_stream, f"{NAMES[path]}: a grammar that cannot be read is answered by a stream")
        expect(answer.status in (400, 422), f"{NAMES[path]}: a grammar that cannot be read is answered {answer}")
