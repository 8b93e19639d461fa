"""Several requests at once: each has its own stream, its own fields and its own form."""

from __future__ import annotations

import json
from typing import Any

from jan_ort_conformance.http.check_tools.answers import joined, text_of, texts
from jan_ort_conformance.http.check_tools.asker import CHAT, COMPLETIONS, EITHER, FREE, GREEDY, NAMES, PROMPT, Asker
from jan_ort_conformance.http.check_tools.company import ask_at_once
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import expect

PROMPTS = (PROMPT, "1, 2, 3, 4", "The", "It was", "I think that", "Hello")


def _streamed(server: Asker, prompt: str) -> list[Any]:
    return server.stream(COMPLETIONS, **GREEDY, prompt=prompt)


@check("connection.streams_at_once_are_apart", needs=[COMPLETIONS])
def streams_at_once_are_apart(server: Asker) -> None:
    """Six streams at once are each one answer, with an id of its own and the text that it has alone."""
    alone = [joined(_streamed(server, prompt)) for prompt in PROMPTS]
    streams = ask_at_once(lambda prompt: _streamed(server, prompt), PROMPTS)
    ids = [sorted({chunk["id"] for chunk in chunks}) for chunks in streams]
    expect(len({each[0] for each in ids}) == len(PROMPTS), f"six streams at once have the ids {ids}")
    for prompt, chunks, names, text in zip(PROMPTS, streams, ids, alone, strict=True):
        expect(len(names) == 1, f"one of six streams at once has chunks of the ids {names}")
        told = f"beside five other streams {prompt!r} goes on {joined(chunks)!r}, alone {text!r}"
        expect(joined(chunks) == text, told)


def _questions(server: Asker) -> list[dict[str, Any]]:
    """Return questions of unlike fields, of those that the server itself declares."""
    has = server.declaration.has
    questions: list[dict[str, Any]] = [{}, {"max_tokens": 3, "min_tokens": 3}, {"temperature": 1.5}, {}]
    if has(f"{CHAT} grammar"):
        questions.append({"grammar": "root ::= [0-9]{6}", "min_tokens": 0})
    if has(f"{CHAT} response_format") and server.declaration.serves_document:
        questions.append({"response_format": {"type": "json_object"}, "min_tokens": 0, "max_tokens": 60})
    if has(f"{CHAT} n") and server.declaration.serves_document:
        questions.append({"n": 2})
    return [*questions, {}]


@check("seed.repeats_as_the_server_draws", needs=EITHER)
def repeats_as_the_server_draws(server: Asker) -> None:
    """A seed repeats its text under the filters that the server has unasked, and so does its stream."""
    asked = {"temperature": 0.8, "seed": 7, "max_tokens": 24}
    for path in server.generating():
        first, again = server.said(path, **asked), server.said(path, **asked)
        streamed = joined(server.stream(path, **asked))
        told = f"{NAMES[path]} with {asked}: first {first!r}, then {again!r}, streamed {streamed!r}"
        expect(first == again == streamed, told)


_OTHERS: dict[str, Any] = {
    "temperature": 0.3,
    "top_k": 3,
    "top_p": 0.3,
    "min_p": 0.3,
    "repeat_penalty": 1.8,
    "frequency_penalty": 2,
}


@check("seed.holds_after_other_fields", needs=EITHER)
def holds_after_other_fields(server: Asker) -> None:
    """A seeded request is the same again after a greedy one, and one of another temperature, filter or penalty."""
    for path in server.generating():
        asked = FREE | ({"top_k": 50} if server.declaration.has(f"{path} top_k") else {})
        first = server.said(path, **asked)
        for name, value in _OTHERS.items():
            if server.declaration.has(f"{path} {name}"):
                server.said(path, **asked | {"temperature": 0, "max_tokens": 2, "min_tokens": 2})
                server.said(path, **asked | {name: value})
                again = server.said(path, **asked)
                expect(again == first, f"{NAMES[path]}: first {first!r}, after one with {name} {value} {again!r}")


@check("connection.fields_are_of_their_request", needs=[CHAT])
def fields_are_of_their_request(server: Asker) -> None:
    """Chats of unlike limits, temperatures, grammars and forms at once are each what they are alone."""
    questions = _questions(server)
    alone = [texts(server.ask(CHAT, **GREEDY | each)) for each in questions]
    twice = [*questions, *questions]  # short answers are soon done, and then in nobody's company
    together = ask_at_once(lambda each: texts(server.ask(CHAT, **GREEDY | each)), twice)
    for question, found, expected in zip(twice, together, [*alone, *alone], strict=True):
        told = f"beside {len(twice) - 1} others a chat with {json.dumps(question)} is {found}, alone {expected}"
        expect(found == expected, told)


@check("connection.answers_are_of_their_question", needs=[CHAT])
def answers_are_of_their_question(server: Asker) -> None:
    """The usage and the logprobs of chats at once are those of each alone, however long their prompts."""
    contents = ["Hi", "one two three " * 6, "Count.", "a b c d e f g " * 10]
    wanted = {"logprobs": True} if server.declaration.has(f"{CHAT} logprobs") else {}

    def seen(content: str) -> tuple[str, int, int]:
        answer = server.ask(CHAT, **GREEDY, **wanted, messages=[{"role": "user", "content": content}])
        choice = answer["choices"][0]
        told = choice.get("logprobs") or {"content": ()}
        return text_of(choice), answer["usage"]["prompt_tokens"], len(told["content"])

    alone = [seen(content) for content in contents]
    together = ask_at_once(seen, contents)
    expect(together == alone, f"the text, prompt_tokens and number of logprobs are together {together}, alone {alone}")
