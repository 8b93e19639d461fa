"""Fields together: what is right alone, asked in a stream, at a limit, outside ASCII, or beside another field."""

from __future__ import annotations

import json
import re
from typing import Any

from jan_ort_conformance.http.check_tools.answers import bytes_of, text_of
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    EITHER,
    GENERATING,
    GREEDY,
    NAMES,
    PROMPT,
    Asker,
    Untold,
    body_of,
    choice_of,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.checks.echoed_texts import FEW
from jan_ort_conformance.http.checks.silent_limits import served_or_refused
from jan_ort_conformance.http.checks.structured_output import LONG
from jan_ort_conformance.verdicts.verdict import expect

WIDE = "aé☃😀b"
"""Letters of one to four bytes, which take more tokens than chunks of a stream."""
SHARED = (8, 16, 64, 128, 250)
"""Words that two prompts share."""
NAME = re.compile("[a-z]{12,14}")
OPEN_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
    },
}


def _invalid(server: Asker, path: str) -> list[dict[str, Any]]:
    """Return what a server commonly refuses: it may refuse each or not, but in a stream as in a plain answer."""
    bodies: list[dict[str, Any]] = [{"max_tokens": "many"}, {"temperature": -1}, {"n": 0}, {"stop": 5}]
    length = server.declaration.context_length
    if length is not None:
        words = "word " * (length + 8)
        long = {"prompt": words} if path == COMPLETIONS else {"messages": [{"role": "user", "content": words}]}
        bodies.insert(0, long)
    return [body_of(path, **GREEDY | {"max_tokens": 4, "min_tokens": 0} | each) for each in bodies]


@check("stream.errors_of_every_kind_come_before_it", needs=EITHER)
def errors_of_every_kind_come_before_it(server: Asker) -> None:
    """What a plain answer refuses by a status, a stream refuses by the same one, and does not begin."""
    num_refused = 0
    for path in server.generating():
        for body in _invalid(server, path):
            plain = server.post(path, body)
            if plain.status < 400 or plain.status >= 500:
                continue
            num_refused += 1
            streamed = server.post(path, body | {"stream": True})
            told = f"{NAMES[path]}: what is refused by {plain} is answered, as a stream, {streamed}"
            expect(streamed.status == plain.status and not streamed.is_stream, told)
    if not num_refused:
        raise Untold("the server refuses nothing that was asked")


@check("echo.offsets_run_through_streams", needs=[f"{COMPLETIONS} echo", f"{COMPLETIONS} logprobs"])
def offsets_run_through_streams(server: Asker) -> None:
    """With echo and logprobs the chunks of a stream tell the places that the plain answer tells."""
    asked = {**FEW, "prompt": PROMPT, "echo": True, "logprobs": 1}
    (choice,) = server.ask(COMPLETIONS, **asked)["choices"]
    plain = choice["logprobs"]
    chunks = [each["logprobs"] for chunk in server.stream(COMPLETIONS, **asked) for each in chunk["choices"]]
    streamed = [chunk for chunk in chunks if chunk and chunk.get("tokens")]
    tokens = [token for chunk in streamed for token in chunk["tokens"]]
    if tokens != plain["tokens"]:
        raise Untold(f"a stream has the tokens {tokens}, the plain answer {plain['tokens']}")
    places = [place for chunk in streamed for place in chunk["text_offset"]]
    expect(places == plain["text_offset"], f"a stream has the places {places}, the plain answer {plain['text_offset']}")


@check("schema_output.keywords_hold_together", needs=[f"{CHAT} response_format"], optional="response_format")
def keywords_hold_together(server: Asker) -> None:
    """A pattern holds beside a least and a greatest length, and a bound beside another."""
    parts = {
        "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 12, "maxLength": 14},
        "count": {"type": "integer", "minimum": 100, "maximum": 119},
    }
    schema = {"type": "object", "properties": parts, "required": [*parts], "additionalProperties": False}
    for seed in (1, 2, 3):
        fields = LONG | {"seed": seed, "response_format": {"type": "json_object", "schema": schema}}
        text = server.said(CHAT, **fields)
        given = json.loads(text)
        told = f"{text!r} is not of the schema {json.dumps(schema)}"
        expect(NAME.fullmatch(str(given["name"])) is not None and 100 <= given["count"] <= 119, told)


@check("logit_bias.of_a_text_is_of_each_token", needs=[f"{COMPLETIONS} logit_bias_type", f"{COMPLETIONS} logit_bias"])
def bias_of_a_text_is_of_each_token(server: Asker) -> None:
    """A text of several tokens has its bias on each of them, not on the first alone."""
    text = "xqzk"
    if len(server.token_ids(text)) < 4:
        raise Untold(f"{text!r} may be fewer tokens than letters")
    asked = GREEDY | {"min_tokens": 0, "max_tokens": 30, "logit_bias_type": "tokens"}
    alone = server.said(COMPLETIONS, **asked, logit_bias={"x": 100.0})
    said = server.said(COMPLETIONS, **asked, logit_bias={text: 100.0, "x": -100.0})
    told = f"{text!r} is forced but for its 'x', which gives {said!r}; forced alone, 'x' gives {alone!r}"
    expect(alone.count("x") > 10 and sum(letter in "qzk" for letter in said) > 10, told)


@check(
    "usage.is_of_tokens_in_streams",
    needs=[f"{path} {name}" for path in GENERATING for name in ("grammar", "stream_options")],
)
def usage_is_of_tokens_in_streams(server: Asker) -> None:
    """A text whose letters take several tokens each has one count, plain and streamed."""
    for path in server.generating("grammar"):
        fields = GREEDY | {"max_tokens": 60, "min_tokens": 0, "grammar": f'root ::= "{WIDE}"'}
        plain = server.ask(path, **fields)["usage"]
        streamed = server.stream(path, **fields, stream_options={"include_usage": True})[-1]["usage"]
        counts = [each["completion_tokens"] for each in (plain, streamed)]
        expect(counts[0] == counts[1], f"{NAMES[path]}: {WIDE!r} has {counts[0]} tokens, in a stream {counts[1]}")


@check("logprobs.bytes_are_those_of_the_text", needs=[f"{CHAT} logprobs", f"{CHAT} grammar"])
def bytes_are_those_of_the_text(server: Asker) -> None:
    """The bytes of a chat's tokens make its text, also where a letter is of several tokens."""
    fields = GREEDY | {"max_tokens": 60, "min_tokens": 0, "grammar": f'root ::= "{WIDE}"', "logprobs": True}
    (choice,) = server.ask(CHAT, **fields)["choices"]
    found = b"".join(bytes_of(choice["logprobs"]))
    expect(text_of(choice).encode() in found, f"the text {text_of(choice)!r} has tokens of the bytes {found!r}")


@check("text.goes_on_behind_a_null_character", needs=[f"{COMPLETIONS} prompt"])
def goes_on_behind_a_null_character(server: Asker) -> None:
    """What stands behind U+0000 is a part of a prompt, or the prompt is refused."""
    counts = []
    for end in ("", "one two three four five six seven eight"):
        answer = served_or_refused(server, COMPLETIONS, **FEW, prompt=f"a\0{end}")
        if answer is None:
            return
        counts.append(answer["usage"]["prompt_tokens"])
    expect(
        counts[1] - counts[0] >= 8, f"eight words behind U+0000 change the count of {counts[0]} tokens to {counts[1]}"
    )


@check("prompt.has_no_token_of_another", needs=[f"{COMPLETIONS} logprobs"])
def has_no_token_of_another(server: Asker) -> None:
    """Two prompts that differ in one word behind many that they share have two logprobs, whichever came before."""
    room = server.declaration.context_length
    for count in (each for each in SHARED if room is None or 2 * each + 16 < room):
        begun = f"Beginning {count}:" + " a" * count
        told = []
        for word in (" x", " y", " x"):
            answer = server.ask(COMPLETIONS, **FEW, prompt=f"{begun}{word} b c", logprobs=5)
            logprobs = answer["choices"][0]["logprobs"]
            told.append((logprobs["token_logprobs"], sorted(logprobs["top_logprobs"][0].values())))
        expect(told[0] != told[1], f"' x' and ' y' behind {count} shared words have one answer: {told[0]}")
        expect(told[1] != told[2], f"' y' and then ' x' behind {count} shared words have one answer: {told[1]}")


@check("tools.cut_call_is_told_so", needs=[f"{CHAT} tools", f"{CHAT} tool_choice"])
def cut_call_is_told_so(server: Asker) -> None:
    """A call that takes more tokens where it may has the finish_reason length at fewer, closed or not, streamed too."""
    asked: dict[str, Any] = {**LONG, "temperature": 0, "tools": [OPEN_TOOL], "tool_choice": choice_of("look")}
    whole = server.ask(CHAT, **asked | {"max_tokens": 200})["usage"]["completion_tokens"]
    for fewer in (4, 10, 20):
        if (most := whole - fewer) < 1:
            continue
        (choice,) = server.ask(CHAT, **asked | {"max_tokens": most})["choices"]
        stream = server.stream(CHAT, **asked | {"max_tokens": most})
        ends = [each["finish_reason"] for chunk in stream for each in chunk["choices"] if each.get("finish_reason")]
        reasons = [choice["finish_reason"], *ends]
        told = f"a call of {whole} tokens with max_tokens {most} ends, plain and streamed, by {reasons}"
        expect(reasons == ["length", "length"], f"{told}: {choice['message'].get('tool_calls')}")
