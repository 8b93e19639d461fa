"""Logprobs: their values, where their tokens stand, and those of an echoed prompt."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

from jan_ort_conformance.http.check_tools.answers import bytes_of as bytes_of_tokens
from jan_ort_conformance.http.check_tools.answers import readings
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    EITHER,
    FREE,
    GREEDY,
    NAMES,
    PROMPT,
    Asker,
    Untold,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import expect

NEEDS = (f"{COMPLETIONS} logprobs", f"{CHAT} logprobs")
TOLERANCE = 2e-3
"""Of a logprob that is told with four digits, or computed in another order."""
FEWEST, DRIFT = 16, 0.1
"""Tokens by whose logprobs two ways to compute them are compared, and how far quantised weights take them apart."""


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


_DRIFT = 0.1
"""By which logprobs of quantised weights may differ on the average where a text is read, and not written."""


def _drifts(server: Asker, prompt: str) -> tuple[list[float], str]:
    """Return by how much an answer's logprobs are above those of its echo; nothing where that has other tokens."""
    (choice,) = server.ask(COMPLETIONS, **GREEDY, prompt=prompt, logprobs=2)["choices"]
    one = {**GREEDY, "max_tokens": 1, "min_tokens": 1, "echo": True, "logprobs": 2}
    (echoed,) = server.ask(COMPLETIONS, **one, prompt=prompt + choice["text"])["choices"]
    tokens, count = choice["logprobs"]["tokens"], len(choice["logprobs"]["tokens"])
    values, read = _values(choice["logprobs"]), _values(echoed["logprobs"])[-count - 1 : -1]
    if len(read) < FEWEST or echoed["logprobs"]["tokens"][-count - 1 : -1] != tokens:
        return [], ""
    told = f"the tokens {tokens} have the logprobs {values}, and in an echo {read}"
    return [value - other for value, other in zip(values, read, strict=True)], told


@check("logprobs.are_those_of_the_echo", needs=[NEEDS[0], f"{COMPLETIONS} echo"])
def are_those_of_the_echo(server: Asker) -> None:
    """A token that was generated has the logprob that it has where its text is echoed, but for rounding."""
    found = (_drifts(server, prompt) for prompt in (PROMPT, "The", "It was", "I think that", "1, 2, 3"))
    drifts, told = next((each for each in found if each[0]), ([], ""))
    if not drifts:
        raise Untold("echoed texts have other tokens than they were generated with")
    mean = sum(drifts) / len(drifts)
    expect(abs(mean) <= DRIFT, f"on the average {mean:.3f} apart: {told}")
    one_way = all(each > TOLERANCE for each in drifts) or all(each < -TOLERANCE for each in drifts)
    expect(not one_way, f"each is on the same side of the other, on the average {mean:.3f} apart: {told}")
