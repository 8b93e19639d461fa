"""Fields of how much is answered, in which form and by whom, which completions and chat share."""

from __future__ import annotations

from jan_ort_conformance.http.check_tools.answers import joined, texts
from jan_ort_conformance.http.check_tools.asker import ABSENT, FREE, GREEDY, Asker, Untold, body_of, expect_effect
from jan_ort_conformance.http.check_tools.http_check import generation_field
from jan_ort_conformance.verdicts.verdict import Level


@generation_field("n", level=Level.CORE)
def n(path: str, server: Asker) -> None:
    """n is the number of choices, each with its index and another text."""
    answer = server.ask(path, **FREE, n=3)
    indices = [choice["index"] for choice in answer["choices"]]
    expect_effect(indices == [0, 1, 2], f"n 3 gives the indices {indices}")
    expect_effect(len(set(texts(answer))) == 3, f"three choices of one seed should differ: {texts(answer)}")


@generation_field("max_tokens", level=Level.CORE)
def max_tokens(path: str, server: Asker) -> None:
    """max_tokens ends the text."""
    for limit in (1, 5):
        answer = server.ask(path, **GREEDY | {"max_tokens": limit})
        count = answer["usage"]["completion_tokens"]
        expect_effect(count == limit, f"max_tokens {limit} gives {count} tokens")


@generation_field("min_tokens")
def min_tokens(path: str, server: Asker) -> None:
    """min_tokens keeps the text going where it would end, and not a token longer."""
    found = end_of_text(path, server)
    if found is None:
        _min_tokens_of_a_text(path, server)
        return
    end, num_beside = found
    for least in (3, 7):
        fields = GREEDY | {"min_tokens": least, "max_tokens": 12, "logit_bias": {end: 100}}
        given = server.ask(path, **fields)["usage"]["completion_tokens"]
        expect_effect(given == least + num_beside, f"where the end is forced, min_tokens {least} gives {given} tokens")


_FORCED = [{"logit_bias": {token_id: 100}} for token_id in ("100", "200")]


def end_of_text(path: str, server: Asker) -> tuple[str, int] | None:
    """Return the id of an end of text, found by forcing special tokens in turn, and for how many tokens it counts."""
    if not server.declaration.has(f"{path} logit_bias"):
        return None
    size = server.declaration.vocab_size or 0
    for token_id in (*range(8), *range(max(size - 8, 8), size)):
        fields = GREEDY | {"min_tokens": 0, "max_tokens": 9, "logit_bias": {str(token_id): 100}}
        answer = server.ask(path, **fields)
        if texts(answer) == [""] and answer["usage"]["completion_tokens"] <= 1:
            known = str(token_id), answer["usage"]["completion_tokens"]
            return known if _biases_beside_min_tokens(path, server) else None
    return None


def _biases_beside_min_tokens(path: str, server: Asker) -> bool:
    """Whether a bias holds where min_tokens is sent: in some servers one of the two puts the other off."""
    fields = GREEDY | {"max_tokens": 4, "min_tokens": 4}
    plain, *forced = (server.said(path, **fields, **each) for each in ({}, *_FORCED))
    return any(each != plain for each in forced)


def _min_tokens_of_a_text(path: str, server: Asker) -> None:
    """Ask for more than a text has that ends by itself. Raises: Untold if none does."""
    fields = GREEDY | {"max_tokens": 400, "min_tokens": 0}
    answer = server.ask(path, **fields)
    count = answer["usage"]["completion_tokens"]
    if answer["choices"][0]["finish_reason"] != "stop":
        raise Untold("no text ends by itself within 400 tokens, and no token is known to end it")
    least = count + 5
    given = server.ask(path, **fields | {"max_tokens": least, "min_tokens": least})["usage"]["completion_tokens"]
    expect_effect(given == least, f"the text ends after {count} tokens; with min_tokens {least} after {given}")


@generation_field("stop", level=Level.CORE)
def stop(path: str, server: Asker) -> None:
    """A stop string ends the text before it, as a string and in a list."""
    whole = server.said(path, **GREEDY)
    word = whole[6:9]
    for given in (word, [word]):
        text = server.said(path, **GREEDY, stop=given)
        expect_effect(text == whole[: whole.index(word)], f"{whole!r} stopped at {word!r} is {text!r}")


@generation_field("stream", level=Level.CORE)
def stream(path: str, server: Asker) -> None:
    """stream true is a stream, stream false is none."""
    for wanted in (True, False):
        answer = server.post(path, body_of(path, **FREE, stream=wanted))
        expect_effect(answer.is_stream == wanted, f"stream {wanted} is answered {answer.headers.get('content-type')!r}")


@generation_field("stream_options", "include_usage")
def stream_options(path: str, server: Asker) -> None:
    """include_usage ends a stream with the usage of the whole."""
    whole = server.ask(path, **FREE)["usage"]["total_tokens"]
    for options in (None, {"include_usage": False}, {"include_usage": True}):
        chunks = server.stream(path, **FREE, stream_options=options)
        totals = [chunk["usage"]["total_tokens"] for chunk in chunks if chunk.get("usage")]
        wanted = [whole] if options and options["include_usage"] else []
        expect_effect(totals == wanted, f"stream_options {options}: the usages are {totals}, not {wanted}")
        expect_effect(joined(chunks) != "", "the stream has no text")


@generation_field("model", level=Level.CORE)
def model(path: str, server: Asker) -> None:
    """The answer names the model that gave it; a name is read, so that a number is none."""
    listed = server.target.ask("GET", "/v1/models")
    if listed.status in ABSENT:
        raise Untold("no list of models is there to compare with")
    known = [each["id"] for each in listed.json["data"]]
    for name in known[:1]:
        given = server.ask(path, **GREEDY, model=name)["model"]
        expect_effect(given in known, f"model {name!r} is answered by {given!r}, which is not listed: {known}")
    server.refused(path, body_of(path, model=5), *server.invalid(path))


@generation_field("user")
def user(path: str, server: Asker) -> None:
    """user has no effect that a client could see, but is read: text is accepted, a number is none."""
    server.ask(path, **GREEDY, user="alice")
    server.refused(path, body_of(path, user=5), *server.invalid(path))


@generation_field("grammar")
def grammar(path: str, server: Asker) -> None:
    """Two grammars give texts of either, and no grammar gives neither."""
    fields = FREE | {"min_tokens": 0}
    digits, letters = (server.said(path, **fields, grammar=f"root ::= [{each}]+") for each in ("0-9", "a-f"))
    expect_effect(digits.isdigit(), f"[0-9]+ gives {digits!r}")
    expect_effect(set(letters) <= set("abcdef"), f"[a-f]+ gives {letters!r}")
