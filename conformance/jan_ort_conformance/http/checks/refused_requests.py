"""Refusals: malformed and invalid requests, and what is valid but cannot be served."""

from __future__ import annotations

import json
from typing import Any

from jan_ort_conformance.http.check_tools.answers import error_of
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    COUNT,
    DETOKENIZE,
    EITHER,
    EMBEDDINGS,
    FREE,
    NAMES,
    TOKENIZE,
    Asker,
    Untold,
    body_of,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import Level, expect

POSTED = [COMPLETIONS, CHAT, EMBEDDINGS, TOKENIZE, COUNT, DETOKENIZE]


def _posted(server: Asker) -> list[str]:
    """Return the operations with a body that the server declares and has a model for, or that are there."""
    return [path for path in POSTED if server.declaration.has(path) and not server.is_absent(path)]


@check("refusal.malformed_json", level=Level.CORE)
def malformed_json(server: Asker) -> None:
    """A body that is no JSON is a 4xx, never a 5xx: cut, of invalid UTF-8, nested 100,000 deep, empty."""
    for path in _posted(server):
        for body in (b"{", b'{"a": "\xff"}', b"[" * 100_000, b"", b'{"input": NaN}'):
            answer = server.post(path, body)
            expect(400 <= answer.status < 500, f"POST {path} {body[:20]!r} is answered {answer}")


@check("refusal.half_a_character_is_no_5xx", needs=EITHER)
def half_a_character_is_no_5xx(server: Asker) -> None:
    r"""A text with half of a surrogate pair, which JSON can spell (\ud83d) and UTF-8 cannot, is never a 5xx."""
    bodies = {COMPLETIONS: r'{"prompt": "a\ud83d", ', CHAT: r'{"messages": [{"role": "user", "content": "a\ud83d"}], '}
    for path in server.generating():
        model = json.dumps(server.declaration.model_for(path))
        answer = server.post(path, f'{bodies[path]}"model": {model}, "max_tokens": 1}}'.encode())
        expect(answer.status < 500, f"{NAMES[path]}: half a surrogate pair is answered {answer}")


@check("refusal.is_an_openai_error", level=Level.FULL)
def is_an_openai_error(server: Asker) -> None:
    """Every refusal has the OpenAI error object: message, type, param and code."""
    for path in _posted(server):
        error_of(server.post(path, b"{"))
        error_of(server.post(path, {"model": 5}))


@check("refusal.schema_violation_is_4xx", level=Level.CORE)
def schema_violation_is_4xx(server: Asker) -> None:
    """A question of the wrong type is refused with a 4xx, never a 5xx."""
    wrong = {COMPLETIONS: {"prompt": 5}, CHAT: {"messages": "Hello"}, EMBEDDINGS: {"input": 5}}
    for path, body in wrong.items():
        if path in _posted(server):
            answer = server.post(path, body)
            expect(400 <= answer.status < 500, f"POST {path} {body} is answered {answer}")


@check("refusal.schema_violation_is_422", level=Level.STRICT)
def schema_violation_is_422(server: Asker) -> None:
    """A body that violates the schema is a 422 with the document's list of details."""
    bodies: list[tuple[str, dict[str, object]]] = [
        (COMPLETIONS, {"prompt": 5}),
        (COMPLETIONS, {"max_tokens": -2}),
        (COMPLETIONS, {"top_p": 1.5}),
        (CHAT, {"messages": "Hello"}),
        (CHAT, {"messages": [{"role": "nobody", "content": "x"}]}),
        (CHAT, {"mirostat_mode": 3}),
        (EMBEDDINGS, {}),
        (TOKENIZE, {"input": 5}),
        (DETOKENIZE, {"tokens": "x"}),
    ]
    declares = [(path, body) for path, body in bodies if server.invalid(path) == (422,)]
    if not declares:
        raise Untold("the server does not declare a 422")
    for path, body in declares:
        if all(map(server.declaration.has, (path, *(f"{path} {name}" for name in body)))):
            answer = server.post(path, body)
            expect(answer.status == 422, f"POST {path} {body} should be a 422; the answer is {answer}")
            detail = answer.json["detail"]
            told = bool(detail) and all({"loc", "msg", "type"} <= each.keys() for each in detail)
            expect(told, f"the detail is {detail}")


@check("refusal.types_are_json_schemas", level=Level.FULL, needs=[COMPLETIONS])
def types_are_json_schemas(server: Asker) -> None:
    """5.0 is an integer; true and "5" are none."""
    server.ask(COMPLETIONS, **FREE | {"max_tokens": 5.0})
    for value in (True, "5"):
        answer = server.post(COMPLETIONS, body_of(COMPLETIONS, max_tokens=value))
        refused = answer.status in server.invalid(COMPLETIONS)
        expect(refused, f"max_tokens {value!r} should be refused as invalid; the answer is {answer}")


@check("refusal.unknown_fields_are_accepted", level=Level.CORE, needs=EITHER)
def unknown_fields_are_accepted(server: Asker) -> None:
    """The schema allows further fields: they are no error; below strict they may be refused, as OpenAI itself does."""
    for path in server.generating():
        answer = server.post(path, body_of(path, **FREE, a_field_of_the_future={"x": 1}))
        if answer.status in (400, 422) and server.level is not Level.STRICT:
            raise Untold(f"{NAMES[path]} refuses the fields that it does not know: {answer}")
        expect(answer.status == 200, f"{NAMES[path]} answers an unknown field by {answer}")


@check("refusal.names_the_field", level=Level.STRICT, needs=EITHER)
def names_the_field(server: Asker) -> None:
    """A refusal names its field in error.param: 400 for what cannot be served, 422 for what violates the schema."""
    cases: list[tuple[str, object, int]] = [
        ("temperature", -1, 400),
        ("n", 0, 400),
        ("top_p", 1.1, 422),
        ("top_k", -2, 422),
        ("seed", 1.5, 422),
        ("stream", "yes", 422),
    ]
    for path in server.generating():
        for name, value, status in (case for case in cases if server.declaration.has(f"{path} {case[0]}")):
            error = server.refused(path, body_of(path, **{name: value}), status)
            expect(error["param"] == name, f"{NAMES[path]}: param of {name} {value!r} is {error['param']!r}")


@check("refusal.unknown_token_id", needs=[DETOKENIZE, f"{COMPLETIONS} logit_bias"])
def unknown_token_id(server: Asker) -> None:
    """A token id that the vocabulary does not have is a 400, in detokenize and in logit_bias, and kills nothing."""
    for tokens in ([10**9], [-1]):
        server.refused(DETOKENIZE, {"tokens": tokens}, 400)
    server.refused(COMPLETIONS, body_of(COMPLETIONS, **FREE, logit_bias={"1000000000": 1}), 400)
    server.said(COMPLETIONS, **FREE)


@check("refusal.unknown_path", level=Level.STRICT)
def unknown_path(server: Asker) -> None:
    """An unknown path is a 404 and another method a 405, both with the OpenAI error object."""
    for method, path, status in (("GET", "/v1/nothing", 404), ("DELETE", COMPLETIONS, 405)):
        answer = server.target.ask(method, path)
        expect(answer.status == status, f"{method} {path} is answered {answer}")
        error_of(answer)


@check("refusal.content_type", level=Level.STRICT)
def content_type(server: Asker) -> None:
    """A body that is not declared as JSON is a 415."""
    bodies: list[tuple[str, bytes]] = [(TOKENIZE, b'{"input": "x"}'), (COMPLETIONS, b'{"max_tokens": 1}')]
    path, body = next((each for each in bodies if server.declaration.has(each[0])), (CHAT, b'{"max_tokens": 1}'))

    answer = server.post(path, body, headers={"Content-Type": "text/plain"})

    expect(answer.status == 415, f"text/plain is answered {answer}")


_CUT = 4
"""A prompt that was cut to a context has fewer tokens than this part of its words, whatever the tokenizer."""
MANY = 2**20
"""Words that are more than the context of most models holds, for a server that does not tell its length."""


def _overflow(server: Asker, path: str) -> dict[str, Any]:
    """Return the error object of the answer to a prompt that is longer than the context.

    Raises: Untold where the server does not tell its length, and takes a prompt of a million tokens, or no such body.
    """
    length = server.declaration.context_length
    num_words = (length or MANY) + 64
    text = ("word " if length else "a ") * num_words
    body = {"prompt": text} if path == COMPLETIONS else {"messages": [{"role": "user", "content": text}]}
    answer = server.post(path, {**body, "max_tokens": 1})
    if length is None and answer.status in (404, 413):
        raise Untold("the server does not tell its context_length, and takes no prompt of a million words")
    if length is None and answer.status == 200:
        count, least = (each["usage"]["prompt_tokens"] for each in (answer.json, server.ask(path, max_tokens=1)))
        if count >= num_words // _CUT:
            raise Untold("the server does not tell its context_length, which is beyond a million tokens")
        if count == least:
            raise Untold(f"the server counts {count} tokens in any prompt, so that none is seen to be cut")
    expect(answer.status == 400, f"{NAMES[path]}: a prompt of {num_words} words is answered {answer}")
    return error_of(answer)


@check("overflow.is_a_400", level=Level.CORE, needs=EITHER)
def overflow_is_a_400(server: Asker) -> None:
    """A prompt longer than the context is a 400 with the code context_length_exceeded, never cut in silence."""
    for path in server.generating():
        code = _overflow(server, path)["code"]
        expect(code == "context_length_exceeded", f"{NAMES[path]}: the code is {code!r}")


@check("overflow.tells_the_counts", level=Level.STRICT, needs=[COMPLETIONS])
def overflow_tells_the_counts(server: Asker) -> None:
    """The message of an overflow has the limit and the count, and the error's param names the prompt."""
    error = _overflow(server, COMPLETIONS)

    length = server.declaration.context_length
    expect(error["param"] == "prompt", f"param is {error['param']!r}")
    expect(length is None or str(length) in error["message"], f"the limit {length} is not in {error['message']!r}")
