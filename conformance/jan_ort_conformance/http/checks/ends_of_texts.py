"""Where a text ends by itself: the reason that is told just before, at and after its last token."""

from __future__ import annotations

from typing import Any

from jan_ort_conformance.http.check_tools.answers import text_of
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    EITHER,
    GREEDY,
    HELLO,
    NAMES,
    PROMPT,
    Asker,
    Untold,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.checks.answer_fields import end_of_text
from jan_ort_conformance.http.checks.silent_limits import served_or_refused
from jan_ort_conformance.verdicts.verdict import expect

LONGEST = 160
"""Tokens within which a text has to end by itself to be of use here."""
LEAST = 8
"""Tokens before which stop_token_ids is not to end a text."""
_ASKED = ("Say yes.", str(HELLO[0]["content"]), "1 + 1 = ?", PROMPT)


def _ended(server: Asker, path: str) -> tuple[dict[str, Any], int, str]:
    """Return a question whose text ends by itself, its number of tokens and the text. Raises: Untold."""
    for asked in _ASKED:
        question = {"messages": [{"role": "user", "content": asked}]} if path == CHAT else {"prompt": asked}
        fields = GREEDY | question | {"min_tokens": 0}
        answer = server.ask(path, **fields | {"max_tokens": LONGEST})
        count = answer["usage"]["completion_tokens"]
        if answer["choices"][0]["finish_reason"] == "stop" and 3 <= count < LONGEST:
            return fields, count, text_of(answer["choices"][0])
    raise Untold(f"{NAMES[path]}: no text ends by itself within {LONGEST} tokens")


def _reasons(server: Asker, path: str, **fields: Any) -> tuple[Any, Any]:
    """Return the finish_reason of a plain answer, and that of the same in a stream."""
    plain = server.ask(path, **fields)["choices"][0]["finish_reason"]
    chunks = server.stream(path, **fields)
    told = [choice.get("finish_reason") for chunk in chunks for choice in chunk["choices"]]
    return plain, next((reason for reason in told if reason is not None), None)


@check("finish.tells_an_end_from_a_cut", needs=EITHER)
def tells_an_end_from_a_cut(server: Asker) -> None:
    """A text that ends by itself says stop, also in a stream; a token earlier it is cut, and says length."""
    for path in server.generating():
        fields, count, text = _ended(server, path)
        for limit, reason in ((count - 1, "length"), (count + 1, "stop")):
            told = _reasons(server, path, **fields | {"max_tokens": limit})
            expected = f"{NAMES[path]}: {text!r} ends by itself after {count} tokens; with max_tokens {limit}"
            expect(told == (reason, reason), f"{expected} the reasons, plain and streamed, are {told}")


@check("finish.end_at_the_limit_is_a_stop", needs=[f"{path} logit_bias" for path in EITHER[0].split("|")])
def end_at_the_limit_is_a_stop(server: Asker) -> None:
    """A text whose last allowed token is its own end says stop, and not length."""
    for path in server.generating():
        found = end_of_text(path, server)
        if found is None:
            raise Untold("no token is known to end a text")
        end, num_beside = found
        forced = GREEDY | {"min_tokens": 0, "max_tokens": 1, "logit_bias": {end: 100}}
        told = _reasons(server, path, **forced)
        expect(
            told == ("stop", "stop"), f"{NAMES[path]}: where token {end} ends the text at once, max_tokens 1: {told}"
        )
        if num_beside:  # the end is counted, so that it is the last token of a text that ends by itself
            fields, count, text = _ended(server, path)
            told = _reasons(server, path, **fields | {"max_tokens": count})
            expect(told == ("stop", "stop"), f"{NAMES[path]}: {text!r} has {count} tokens; max_tokens {count}: {told}")


@check("stop.token_ids_wait_for_min_tokens", needs=[f"{COMPLETIONS} min_tokens"])
def token_ids_wait_for_min_tokens(server: Asker) -> None:
    """Where stop_token_ids ends a text, it does so once min_tokens are there, and no sooner."""
    ends = server.token_ids(server.said(COMPLETIONS, **GREEDY))[:LEAST]
    counts = []
    for least in (0, LEAST):
        fields = GREEDY | {"min_tokens": least, "max_tokens": 2 * LEAST}
        answer = served_or_refused(server, COMPLETIONS, **fields, stop_token_ids=ends)
        if answer is None:
            raise Untold("stop_token_ids is refused")
        counts.append(answer["usage"]["completion_tokens"])
    if counts[0] >= LEAST:
        raise Untold("stop_token_ids has no effect")
    expect(counts[1] >= LEAST, f"stop_token_ids ends a text with min_tokens {LEAST} after {counts[1]} tokens")
