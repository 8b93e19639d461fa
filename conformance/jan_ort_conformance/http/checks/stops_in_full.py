"""Stop strings in full: long ones, of any letters, half seen, in company, with their logprobs and their usage."""

from __future__ import annotations

import math
from functools import partial
from itertools import accumulate
from typing import Any

from jan_ort_conformance.http.check_tools.answers import bytes_of, text_of
from jan_ort_conformance.http.check_tools.asker import CHAT, COMPLETIONS, EITHER, GREEDY, NAMES, Asker, expect_effect
from jan_ort_conformance.http.check_tools.company import ask_at_once
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.checks.plain_answers import expect_stopped
from jan_ort_conformance.verdicts.verdict import Level, expect

LETTERS = "naïve ☃ 𝄞 Привет, 世界 end"
STOPS_OF_ANY_LETTERS = ("ï", "☃ 𝄞", "Привет, 世", "𝄞 Привет")
TOLERANCE = 2e-3


@check("stop.may_be_long", needs=EITHER)
def may_be_long(server: Asker) -> None:
    """A stop string of 9, 15 or 30 letters, which takes several tokens, ends the text before it."""
    for path in server.generating():
        whole = server.said(path, **GREEDY)
        for start, length in ((2, 9), (7, 15), (4, 30)):
            stop = whole[start : start + length]
            if stop:
                given = [stop, "\u2603" * length]
                expect_stopped(server, path, whole, stop, plain=given, streamed=given)


@check("stop.is_of_any_letters", needs=[f"{COMPLETIONS} grammar"])
def is_of_any_letters(server: Asker) -> None:
    """A stop string of letters outside ASCII ends the text before it, and one that is not there does not."""
    fields = {"grammar": f'root ::= "{LETTERS}"', "max_tokens": 120, "min_tokens": 0}
    for stop in (*STOPS_OF_ANY_LETTERS, "Пока", "\u2604"):
        expect_stopped(server, COMPLETIONS, LETTERS, stop, plain=stop, streamed=stop, **fields)


@check("stop.gives_back_what_it_held", needs=EITHER)
def gives_back_what_it_held(server: Asker) -> None:
    """What may begin a stop string is held back, and given when the text ends or goes on otherwise."""
    for path in server.generating():
        whole = server.said(path, **GREEDY)
        for begun in (whole[-2:], whole[5:9]):
            stop = f"{begun}\u2603"
            expect_stopped(server, path, whole, stop, plain=[stop], streamed=[stop])


def _stopped(server: Asker, path: str, stop: str | None) -> str:
    return server.said(path, **GREEDY, stop=stop)


@check("stop.holds_in_company", needs=EITHER)
def holds_in_company(server: Asker) -> None:
    """Of requests at once each is ended by its own stop string, and by no other's."""
    for path in server.generating():
        whole = server.said(path, **GREEDY)
        stops: list[str | None] = [None, whole[3:6], whole[10:14], "\u2603", whole[6:9], None]
        told = ask_at_once(partial(_stopped, server, path), stops)
        for stop, text in zip(stops, told, strict=True):
            expected = whole.partition(stop)[0] if stop else whole
            expect(text == expected, f"{NAMES[path]}: in company {whole!r} stopped by {stop!r} is {text!r}")


def _logprobs(server: Asker, path: str, **fields: Any) -> tuple[Any, Any, list[bytes], list[float]]:
    """Return an answer, its only choice, the bytes of its tokens and their logprobs."""
    answer = server.ask(path, **GREEDY, **fields, logprobs=1 if path == COMPLETIONS else True)
    (choice,) = answer["choices"]
    logprobs = choice.get("logprobs")
    expect_effect(bool(logprobs), f"{NAMES[path]}: logprobs were asked for and are null")
    values = logprobs["token_logprobs"] if path == COMPLETIONS else [each["logprob"] for each in logprobs["content"]]
    return answer, choice, bytes_of(logprobs), values


@check("stop.leaves_the_logprobs_of_the_text", needs=[f"{COMPLETIONS} logprobs", f"{CHAT} logprobs"])
def leaves_the_logprobs_of_the_text(server: Asker) -> None:
    """A stopped text has the logprobs of the tokens that it began with, and of no fewer than it is made of."""
    for path in server.generating():
        _, whole, pieces, values = _logprobs(server, path)
        text = text_of(whole)
        _, choice, given, given_values = _logprobs(server, path, stop=text[8:11])
        told = f"{NAMES[path]}: {pieces} stopped by {text[8:11]!r} are {given}"
        expect(given == pieces[: len(given)], f"{told}, which are others")
        begun = b"".join(given).decode(errors="replace")
        expect(begun.startswith(text_of(choice)), f"{told}; the text is {text_of(choice)!r}")
        same = all(math.isclose(a, b, abs_tol=TOLERANCE) for a, b in zip(given_values, values, strict=False))
        expect(same and len(given_values) == len(given), f"{told}; with the logprobs {given_values}, not {values}")


def _bounds(pieces: list[bytes], text: str, stop: str) -> tuple[int, int]:
    """Return how many tokens make the text before the stop string, and how many the stop string too."""
    begin = len(text.partition(stop)[0].encode())
    ends = [*accumulate(map(len, pieces))]
    least = sum(end <= begin for end in ends)
    return least, 1 + sum(end < begin + len(stop.encode()) for end in ends)


@check("usage.counts_to_the_stop", needs=[f"{COMPLETIONS} logprobs", f"{CHAT} logprobs"])
def counts_to_the_stop(server: Asker) -> None:
    """completion_tokens of a stopped text are those before the stop string, or with it: no fewer and no more."""
    for path in server.generating():
        _, whole, pieces, _ = _logprobs(server, path)
        text = text_of(whole)
        for start in (4, 9):
            stop = text[start : start + 3]
            if not stop or text.encode() != b"".join(pieces):
                continue
            least, most = _bounds(pieces, text, stop)
            least = most if server.level is Level.STRICT else least
            usage = server.ask(path, **GREEDY, stop=stop)["usage"]
            told = f"{NAMES[path]}: {pieces} stopped by {stop!r} are {least} to {most} tokens; {usage}"
            expect(least <= usage["completion_tokens"] <= most, told)
            expect(usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"], told)
