"""Plain answers: usage, stop strings, seeds and logprobs add up."""

from __future__ import annotations

import math
from typing import Any

from jan_ort_conformance.http.check_tools.answers import bytes_of, joined, readings, text_of, tokens_of
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    COUNT,
    EITHER,
    FREE,
    GENERATING,
    GREEDY,
    HELLO,
    NAMES,
    PROMPT,
    TOKENIZE,
    Asker,
    Untold,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import Level, expect


@check("usage.adds_up", level=Level.CORE, needs=EITHER)
def usage_adds_up(server: Asker) -> None:
    """total_tokens is prompt_tokens and completion_tokens together, and max_tokens bounds the latter."""
    for path in server.generating():
        usage = server.ask(path, **FREE)["usage"]

        total = usage["prompt_tokens"] + usage["completion_tokens"]
        expect(usage["total_tokens"] == total, f"{NAMES[path]}: {usage}")
        expect(0 < usage["completion_tokens"] <= FREE["max_tokens"], f"{NAMES[path]}: max_tokens is 24; {usage}")


@check("usage.counts_the_prompt", needs=EITHER)
def usage_counts_the_prompt(server: Asker) -> None:
    """A prompt that is sixteen words longer has eight tokens more, or more than that."""
    for path in server.generating():
        counts = []
        begun = str(HELLO[0]["content"]) if path == CHAT else PROMPT
        for text in (begun, f"{begun} {' '.join(['one'] * 16)}"):
            question = {"messages": [{"role": "user", "content": text}]} if path == CHAT else {"prompt": text}
            counts.append(server.ask(path, **FREE | question)["usage"]["prompt_tokens"])
        expect(counts[1] >= counts[0] + 8, f"{NAMES[path]}: a prompt, and one longer by 16 words, have {counts} tokens")


@check("usage.counts_what_tokenize_counts", needs=[COMPLETIONS, TOKENIZE])
def usage_counts_what_tokenize_counts(server: Asker) -> None:
    """prompt_tokens is the number of tokens that /extras/tokenize makes of the prompt."""
    usage = server.ask(COMPLETIONS, **GREEDY)["usage"]

    count = len(server.token_ids(PROMPT))
    expect(usage["prompt_tokens"] == count, f"tokenize counts {count} tokens, the usage {usage}")


@check("usage.counts_a_chat_as_count_does", needs=[CHAT, f"{COUNT} messages"])
def usage_counts_a_chat_as_count_does(server: Asker) -> None:
    """prompt_tokens of a chat is what /extras/tokenize/count says of the same messages."""
    usage = server.ask(CHAT, **GREEDY)["usage"]

    count = server.answered(COUNT, {"messages": HELLO})["count"]
    expect(usage["prompt_tokens"] == count, f"the count is {count}, the usage {usage}")


@check("usage.counts_every_token", needs=EITHER)
def usage_counts_every_token(server: Asker) -> None:
    """completion_tokens is the number of tokens whose logprobs are given."""
    for path in server.generating():
        answer = server.ask(path, **GREEDY, logprobs=1 if path == COMPLETIONS else True)

        count = len(tokens_of(answer["choices"][0]["logprobs"]))
        expect(answer["usage"]["completion_tokens"] == count, f"{NAMES[path]}: {count} logprobs, {answer['usage']}")


@check("usage.counts_every_choice", needs=[*EITHER, f"{COMPLETIONS} n"])
def usage_counts_every_choice(server: Asker) -> None:
    """completion_tokens counts the tokens of all choices; the prompt is counted once."""
    for path in server.generating():
        wanted = {"logprobs": 1 if path == COMPLETIONS else True}
        one = server.ask(path, **FREE)["usage"]

        answer = server.ask(path, **FREE, **wanted, n=3)
        three, count = answer["usage"], sum(len(tokens_of(choice["logprobs"])) for choice in answer["choices"])

        expect(three["prompt_tokens"] == one["prompt_tokens"], f"{NAMES[path]}: one choice {one}, three {three}")
        expect(len(answer["choices"]) == 3, f"{NAMES[path]}: n 3 gives {len(answer['choices'])} choices")
        expect(three["completion_tokens"] == count, f"{NAMES[path]}: three choices of {count} tokens, {three}")


def _stops(text: str) -> list[str]:
    """Return strings of the text's beginning, middle and end, of one and of several characters."""
    return [text[start : start + length] for start in (0, len(text) // 2, len(text) - 1) for length in (1, 3)]


def expect_stopped(
    server: Asker, path: str, whole: str, stop: str, *, plain: object, streamed: object, **fields: Any
) -> None:
    """Expect that the text ends before ``stop``, where it is sent as ``plain``, and as ``streamed`` for a stream."""
    expected = whole.partition(stop)[0]
    said = server.said(path, **GREEDY | fields, stop=plain)
    pieces = joined(server.stream(path, **GREEDY | fields, stop=streamed))
    told = f"{NAMES[path]}: {whole!r} stopped by {plain!r}"
    expect(said == expected, f"{told} is {said!r}")
    expect(pieces == expected, f"{told} is streamed as {pieces!r}")


@check("stop.never_leaks", level=Level.CORE, needs=EITHER)
def stop_never_leaks(server: Asker) -> None:
    """The text ends before the first occurrence of a stop string, in plain answers and streams."""
    for path in server.generating():
        whole = server.said(path, **GREEDY)
        for stop in filter(None, _stops(whole)):
            expect_stopped(server, path, whole, stop, plain=stop, streamed=[stop])


@check("stop.earliest_wins", needs=EITHER)
def stop_earliest_wins(server: Asker) -> None:
    """Of several stop strings the one that occurs first ends the text."""
    for path in server.generating():
        whole = server.said(path, **GREEDY)
        early, late = whole[2:5], whole[-3:]

        text = server.said(path, **GREEDY, stop=[late, early])

        expect(text == whole[: whole.index(early)], f"{NAMES[path]}: {whole!r} stopped at {early!r} is {text!r}")


@check("stop.is_told", level=Level.CORE, needs=EITHER)
def stop_is_told(server: Asker) -> None:
    """finish_reason is stop at a stop string and length at max_tokens."""
    fields = GREEDY | {"max_tokens": 8, "min_tokens": 8}  # few, for a text that may end by itself
    for path in server.generating():
        answer = server.ask(path, **fields)
        cut = answer["choices"][0]
        whole = text_of(cut)
        if cut["finish_reason"] == "stop" and answer["usage"]["completion_tokens"] < fields["max_tokens"]:
            raise Untold(f"{NAMES[path]}: {whole!r} ends by itself within {fields['max_tokens']} tokens")

        stopped = server.ask(path, **fields, stop=whole[4:7])["choices"][0]

        expect(cut["finish_reason"] == "length", f"{NAMES[path]}: at max_tokens it is {cut['finish_reason']!r}")
        expect(stopped["finish_reason"] == "stop", f"{NAMES[path]}: at a stop it is {stopped['finish_reason']!r}")


@check("seed.repeats", level=Level.CORE, needs=EITHER)
def seed_repeats(server: Asker) -> None:
    """The same seed gives the same text, and so does temperature 0."""
    for path in server.generating():
        for fields in (FREE, GREEDY):
            first, again = server.said(path, **fields), server.said(path, **fields)

            expect(first == again, f"{NAMES[path]} at temperature {fields['temperature']}: {first!r}, then {again!r}")


@check("seed.is_of_its_request", needs=[COMPLETIONS])
def seed_is_of_its_request(server: Asker) -> None:
    """Requests with other seeds in between do not change what a seed gives."""
    first = server.said(COMPLETIONS, **FREE)
    server.said(COMPLETIONS, **FREE | {"seed": 2**40})
    server.said(COMPLETIONS, **FREE | {"seed": None})

    again = server.said(COMPLETIONS, **FREE)

    expect(first == again, f"first {first!r}, after others {again!r}")


@check("logprobs.are_probabilities", needs=[COMPLETIONS])
def logprobs_are_probabilities(server: Asker) -> None:
    """Logprobs are not positive, and the probabilities of a token's alternatives sum to at most one."""
    logprobs = server.ask(COMPLETIONS, **FREE, logprobs=5)["choices"][0]["logprobs"]

    for chosen, top in zip(logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True):
        expect(chosen <= 1e-6, f"the logprob {chosen} is positive")
        total = sum(math.exp(value) for value in top.values())
        expect(total <= 1 + 1e-3, f"the probabilities of {top} sum to {total:.4f}")


@check("logprobs.hold_the_chosen_token", needs=GENERATING)
def logprobs_hold_the_chosen_token(server: Asker) -> None:
    """The chosen token is among its alternatives (completions), with the same logprob; in a chat they are sorted."""
    logprobs = server.ask(COMPLETIONS, **FREE, logprobs=2)["choices"][0]["logprobs"]
    for token, chosen, top in zip(
        logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True
    ):
        same = token in top and math.isclose(top[token], chosen, abs_tol=1e-4)
        expect(same, f"the chosen token {token!r} of logprob {chosen} is not so in {top}")

    for each in server.ask(CHAT, **FREE, logprobs=True, top_logprobs=3)["choices"][0]["logprobs"]["content"]:
        values = [top["logprob"] for top in each["top_logprobs"]]
        expect(values == sorted(values, reverse=True), f"the alternatives of {each['token']!r} are not sorted")
        expect(len(values) >= 3, f"three alternatives were asked for; there are {len(values)}")


@check("logprobs.tokens_are_the_text", needs=GENERATING)
def logprobs_tokens_are_the_text(server: Asker) -> None:
    """The tokens together are the text; a chat's bytes together are its UTF-8."""
    choice = server.ask(COMPLETIONS, **GREEDY, logprobs=1)["choices"][0]
    tokens = choice["logprobs"]["tokens"]
    same = choice["text"] in readings(bytes_of(choice["logprobs"])) or any("\ufffd" in token for token in tokens)
    expect(same, f"the tokens are {tokens}, the text {choice['text']!r}")

    choice = server.ask(CHAT, **GREEDY, logprobs=True)["choices"][0]
    pieces = [bytes(each["bytes"]) for each in choice["logprobs"]["content"]]
    text = text_of(choice)
    expect(text in readings(pieces), f"the bytes are {pieces}, the text {text!r}")


@check("logprobs.are_the_models_own", level=Level.STRICT, needs=[COMPLETIONS])
def logprobs_are_the_models_own(server: Asker) -> None:
    """Logprobs are of the model, whatever temperature and filters chose."""
    offsets = [
        server.ask(COMPLETIONS, **GREEDY | {"max_tokens": 1, "min_tokens": 1, "top_k": top_k}, logprobs=1)["choices"][0]
        for top_k in (0, 1)
    ]

    first, second = [choice["logprobs"]["token_logprobs"][0] for choice in offsets]
    expect(math.isclose(first, second, abs_tol=1e-4), f"without filter {first}, with top_k 1 {second}")


@check("logprobs.are_the_same_in_streams", needs=EITHER)
def logprobs_are_the_same_in_streams(server: Asker) -> None:
    """A stream's chunks together hold the logprobs of the plain answer."""
    for path in server.generating():
        wanted = {"logprobs": 1 if path == COMPLETIONS else True}
        whole = tokens_of(server.ask(path, **GREEDY, **wanted)["choices"][0]["logprobs"])

        chunks = server.stream(path, **GREEDY, **wanted)

        given = [choice["logprobs"] for chunk in chunks for choice in chunk["choices"] if choice.get("logprobs")]
        pieces = [token for logprobs in given for token in tokens_of(logprobs)]
        expect(pieces == whole, f"{NAMES[path]}: streamed {pieces}, plainly {whole}")


@check("logit_bias.works_with_min_tokens", needs=[f"{COMPLETIONS} logit_bias", f"{COMPLETIONS} min_tokens"])
def logit_bias_works_with_min_tokens(server: Asker) -> None:
    """A bias holds also where min_tokens forbids the end of text."""
    token_id = server.token_ids("x")[-1]

    text = server.said(COMPLETIONS, **FREE, logit_bias={str(token_id): 100})

    expect(text.count("x") > 10, f"'x' is forced beside min_tokens, and given is {text!r}")
