"""Several choices and several prompts: each choice is whole, in its place, and counted."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from jan_ort_conformance.http.check_tools.answers import joined, text_of, texts
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    EITHER,
    FREE,
    GENERATING,
    GREEDY,
    NAMES,
    PROMPT,
    Asker,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import Level, expect

PROMPTS = [PROMPT, "1, 2, 3, 4"]
SEVERAL = [f"{path} n" for path in GENERATING]
DIGITS = {"min_tokens": 0, "max_tokens": 60, "grammar": "root ::= [0-9]{4}"}
RECENT_S = 86_400
"""A clock may be wrong by hours, but not by years."""


def _reasons(choices: Any) -> dict[int, Any]:
    """Return the finish_reason of each choice, of a plain answer's or of all chunks'."""
    return {each["index"]: each["finish_reason"] for each in choices if each.get("finish_reason") is not None}


def _of_stream(chunks: list[Any]) -> list[Any]:
    return [choice for chunk in chunks for choice in chunk["choices"]]


@check("finish.is_told_of_every_choice", level=Level.CORE, needs=SEVERAL)
def finish_is_told_of_every_choice(server: Asker) -> None:
    """Each choice says why it ended: length at max_tokens, stop where a grammar is complete; a stream says the same."""
    short = FREE | {"max_tokens": 4, "min_tokens": 4}
    cases: list[tuple[dict[str, Any], str]] = [(short, "length")]
    for path in server.generating():
        complete = [(FREE | DIGITS, "stop")] if server.declaration.has(f"{path} grammar") else []
        for fields, reason in cases + complete:
            plain = _reasons(server.ask(path, **fields, n=2)["choices"])
            streamed = _reasons(_of_stream(server.stream(path, **fields, n=2)))

            told = f"{NAMES[path]}: two choices should both end by {reason!r}"
            expect(plain == {0: reason, 1: reason}, f"{told}, and plainly do by {plain}")
            expect(streamed == plain, f"{told}, and streamed do by {streamed}")


@check("usage.is_the_same_in_streams", needs=[f"{path} stream_options" for path in GENERATING])
def usage_is_the_same_in_streams(server: Asker) -> None:
    """A stream counts the tokens of prompt and completion as the plain answer does, of several choices too."""
    for path in server.generating():
        more: list[dict[str, Any]] = [{}, {"n": 2}] if server.declaration.has(f"{path} n") else [{}]
        for fields in more + ([{"prompt": PROMPTS}] if path == COMPLETIONS else []):
            plain = server.ask(path, **FREE | fields)["usage"]
            chunks = server.stream(path, **FREE | fields, stream_options={"include_usage": True})

            (streamed,) = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
            for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
                told = f"{NAMES[path]} {fields}: {name} plainly {plain}, streamed {streamed}"
                expect(plain[name] == streamed[name], told)


@check("usage.counts_every_prompt", needs=[f"{COMPLETIONS} prompt"])
def usage_counts_every_prompt(server: Asker) -> None:
    """The usage of a list of prompts is that of each of them together."""
    alone = [server.ask(COMPLETIONS, **GREEDY, prompt=each)["usage"] for each in PROMPTS]

    both = server.ask(COMPLETIONS, **GREEDY, prompt=PROMPTS)["usage"]

    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        total = sum(each[name] for each in alone)
        expect(both[name] == total, f"{name} of two prompts should be {total}: {alone}, together {both}")


@check("usage.cached_tokens_are_of_the_prompt", needs=EITHER)
def usage_cached_tokens_are_of_the_prompt(server: Asker) -> None:
    """Where cached_tokens are told, they are no more than the prompt's, of several choices and prompts too."""
    for path in server.generating():
        cases: list[dict[str, Any]] = [{}, {}, *([{"n": 3}] if server.declaration.has(f"{path} n") else [])]
        for fields in cases + ([{"prompt": PROMPTS}] if path == COMPLETIONS else []):
            usage = server.ask(path, **GREEDY | fields)["usage"]
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            expect(0 <= cached <= usage["prompt_tokens"], f"{NAMES[path]} {fields}: {usage}")


@check("choices.are_in_order", needs=[f"{COMPLETIONS} prompt", f"{COMPLETIONS} n"])
def choices_are_in_order(server: Asker) -> None:
    """The choices of several prompts stand prompt by prompt, index n x prompt + choice, in streams too."""
    alone = [server.said(COMPLETIONS, **GREEDY, prompt=each) for each in PROMPTS]
    expected = [text for text in alone for _ in range(2)]

    choices = server.ask(COMPLETIONS, **GREEDY, prompt=PROMPTS, n=2)["choices"]
    chunks = server.stream(COMPLETIONS, **GREEDY, prompt=PROMPTS, n=2)

    indexes = [choice["index"] for choice in choices]
    expect(indexes == [0, 1, 2, 3], f"two choices of two prompts have the indexes {indexes}")
    expect([text_of(choice) for choice in choices] == expected, f"alone {alone}, together {choices}")
    streamed = [joined(chunks, index) for index in range(4)]
    expect(streamed == expected, f"alone {alone}, streamed {streamed}")


@check("echo.is_of_every_choice", needs=[f"{COMPLETIONS} echo", f"{COMPLETIONS} n", f"{COMPLETIONS} prompt"])
def echo_is_of_every_choice(server: Asker) -> None:
    """echo puts its own prompt in front of each choice of each prompt."""
    answer = server.ask(COMPLETIONS, **FREE, prompt=PROMPTS, n=2, echo=True)

    for text, prompt in zip(texts(answer), [each for each in PROMPTS for _ in range(2)], strict=True):
        expect(text.startswith(prompt) and text != prompt, f"the prompt {prompt!r} should begin {text!r}")


@check("grammar.holds_for_every_choice", needs=[*SEVERAL, *(f"{path} grammar" for path in GENERATING)])
def grammar_holds_for_every_choice(server: Asker) -> None:
    """Each of several choices is of the grammar."""
    for path in server.generating():
        found = texts(server.ask(path, **FREE | DIGITS, n=3))

        expect(len(found) == 3, f"{NAMES[path]}: n 3 gives {len(found)} choices")
        for text in found:
            expect(re.fullmatch("[0-9]{4}", text) is not None, f"{NAMES[path]}: {text!r} is not of four digits")


@check("schema_output.holds_for_every_choice", needs=[f"{CHAT} n", f"{CHAT} response_format"])
def schema_holds_for_every_choice(server: Asker) -> None:
    """Each of several choices is an instance of the schema."""
    form = {"type": "json_object", "schema": {"enum": [17, 71]}}
    found = texts(server.ask(CHAT, **FREE | {"min_tokens": 0, "max_tokens": 60}, response_format=form, n=3))

    expect(len(found) == 3, f"n 3 gives {len(found)} choices")
    for text in found:
        expect(text.strip() in ("17", "71"), f"{text!r} is neither 17 nor 71")


@check("stop.holds_for_every_choice", needs=SEVERAL)
def stop_holds_for_every_choice(server: Asker) -> None:
    """A stop string ends each of several choices, plain and streamed."""
    for path in server.generating():
        whole = server.all_said(path, **FREE, n=3)
        stop = whole[-1][4:6]
        expected = [text.partition(stop)[0] for text in whole]

        plain = server.all_said(path, **FREE, n=3, stop=stop)
        chunks = server.stream(path, **FREE, n=3, stop=stop)

        told = f"{NAMES[path]}: {whole} stopped at {stop!r}"
        expect(plain == expected, f"{told} are {plain}")
        streamed = [joined(chunks, index) for index in range(3)]
        expect(streamed == expected, f"{told} are streamed as {streamed}")


@check("answer.is_of_its_own", level=Level.CORE, needs=EITHER)
def answer_is_of_its_own(server: Asker) -> None:
    """Each answer has an id of its own, is created now, and names its model, in streams as in plain answers."""
    for path in server.generating():
        plain = [server.ask(path, **FREE) for _ in range(2)]
        chunk = server.stream(path, **FREE)[0]

        answers = [*plain, chunk]
        ids = {each["id"] for each in answers}
        expect(len(ids) == 3, f"{NAMES[path]}: three answers have the ids {ids}")
        models = {json.dumps(each["model"]) for each in answers}
        expect(len(models) == 1, f"{NAMES[path]}: one model is named {models}")
        for created in (each["created"] for each in answers):
            recent = type(created) is int and abs(created - time.time()) < RECENT_S
            expect(recent, f"{NAMES[path]}: created is {created!r}, and now is {time.time():.0f}")
