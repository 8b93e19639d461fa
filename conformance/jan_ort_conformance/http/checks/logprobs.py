"""Logprobs: their values, where their tokens stand, and those of an echoed prompt."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

from jan_ort_conformance.http.check_tools.answers import bytes_of as bytes_of_tokens
from jan_ort_conformance.http.check_tools.answers import readings
from jan_ort_conformance.http.check_tools.asker import CHAT, COMPLETIONS, EITHER, FREE, GREEDY, NAMES, PROMPT, Asker
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import expect

NEEDS = (f"{COMPLETIONS} logprobs", f"{CHAT} logprobs")
TOLERANCE = 2e-3
"""Of a logprob that is told with four digits, or computed in another order."""


def _values(logprobs: Any) -> list[float]:
    if "tokens" in logprobs:
        return list(logprobs["token_logprobs"])
    return [each["logprob"] for each in logprobs["content"]]


def _offsets(logprobs: Any) -> list[int]:
    return list(logprobs["text_offset"])


def _near(some: list[float], others: list[float]) -> bool:
    return len(some) == len(others) and all(
        math.isclose(a, b, abs_tol=TOLERANCE) for a, b in zip(some, others, strict=True)
    )


def _streamed(server: Asker, path: str, **fields: Any) -> list[Any]:
    """Return the logprobs of a stream's chunks."""
    chunks = server.stream(path, **fields)
    return [choice["logprobs"] for chunk in chunks for choice in chunk["choices"] if choice.get("logprobs")]


@check("logprobs.values_are_the_same_in_streams", needs=EITHER)
def values_are_the_same_in_streams(server: Asker) -> None:
    """A stream tells each token the logprob, and in completions the place, that the plain answer tells."""
    for path in server.generating():
        wanted = {"logprobs": 1 if path == COMPLETIONS else True}
        plain = server.ask(path, **GREEDY, **wanted)["choices"][0]["logprobs"]

        streamed = _streamed(server, path, **GREEDY, **wanted)

        values = [value for each in streamed for value in _values(each)]
        expect(_near(values, _values(plain)), f"{NAMES[path]}: plainly {_values(plain)}, streamed {values}")
        if path == COMPLETIONS:
            offsets = [offset for each in streamed for offset in _offsets(each)]
            expect(offsets == _offsets(plain), f"text_offset plainly {_offsets(plain)}, streamed {offsets}")


@check("logprobs.offsets_are_places_in_the_text", needs=NEEDS[:1])
def offsets_are_places_in_the_text(server: Asker) -> None:
    """text_offset is where a token begins: after all before it, counted from the text or from the prompt."""
    choice = server.ask(COMPLETIONS, **GREEDY, logprobs=1)["choices"][0]

    logprobs = choice["logprobs"]
    pieces = [piece.decode(errors="replace") for piece in bytes_of_tokens(logprobs)]
    if any("\ufffd" in piece for piece in pieces):
        return  # half characters have no place of their own
    places = [0, *accumulate(map(len, pieces))][:-1]
    expect(_offsets(logprobs)[0] in (0, len(PROMPT)), f"the first text_offset is {_offsets(logprobs)[0]}")
    given = [offset - _offsets(logprobs)[0] for offset in _offsets(logprobs)]
    expect(given == places, f"the tokens {pieces} begin at {places}, and text_offset says {_offsets(logprobs)}")


@check("logprobs.chat_tokens_are_among_their_alternatives", needs=[NEEDS[1], f"{CHAT} top_logprobs"])
def chat_tokens_are_among_their_alternatives(server: Asker) -> None:
    """In a chat the chosen token has one logprob, also among its alternatives; none is positive, no sum above one."""
    content = server.ask(CHAT, **GREEDY, logprobs=True, top_logprobs=4)["choices"][0]["logprobs"]["content"]

    for each in content:
        top = [(other["token"], other["logprob"]) for other in each["top_logprobs"]]
        chosen = [value for token, value in top if token == each["token"]]
        expect(bool(chosen), f"the chosen token {each['token']!r} is not among {top}")
        same = any(math.isclose(value, each["logprob"], abs_tol=TOLERANCE) for value in chosen)
        expect(same, f"the logprob of {each['token']!r} is {each['logprob']}, and among its alternatives {chosen}")
        expect(each["logprob"] <= TOLERANCE, f"the logprob {each['logprob']} is positive")
        total = sum(math.exp(value) for _, value in top)
        expect(total <= 1 + TOLERANCE, f"the probabilities of {top} sum to {total:.4f}")


@check("logprobs.echo_has_those_of_the_prompt", needs=[NEEDS[0], f"{COMPLETIONS} echo"])
def echo_has_those_of_the_prompt(server: Asker) -> None:
    """With echo the prompt's tokens have logprobs too, all but the first, which is null."""
    answer = server.ask(COMPLETIONS, **FREE | {"max_tokens": 4, "min_tokens": 4}, logprobs=1, echo=True)

    (choice,), usage = answer["choices"], answer["usage"]
    logprobs = choice["logprobs"]
    count = usage["prompt_tokens"] + usage["completion_tokens"]
    sizes = {name: len(logprobs[name]) for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")}
    expect(set(sizes.values()) == {count}, f"{count} tokens of prompt and text have {sizes}")
    first, *rest = logprobs["token_logprobs"]
    expect(first is None and logprobs["top_logprobs"][0] is None, f"the first token's logprob is {first}, not null")
    expect(all(value is not None and value <= TOLERANCE for value in rest), f"the logprobs after the first: {rest}")
    told = f"the tokens are {logprobs['tokens']}, the text {choice['text']!r}"
    expect(any(each.endswith(choice["text"]) for each in readings(bytes_of_tokens(logprobs))), told)
