"""Silent limits: a value that is allowed is taken as it is, or refused; never made smaller without a word."""

from __future__ import annotations

from typing import Any

from jan_ort_conformance.http.check_tools.answers import texts
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    EITHER,
    FREE,
    GENERATING,
    GREEDY,
    NAMES,
    Asker,
    Untold,
    body_of,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import expect

ONE = {"max_tokens": 1, "min_tokens": 1}
MANY_CHOICES = 12
MOST_ALTERNATIVES = {COMPLETIONS: 5, CHAT: 20}
"""What OpenAI's API allows."""
NUM_PROMPTS = 20
NUM_WORDS = 160


def served_or_refused(server: Asker, path: str, **fields: Any) -> Any:
    """Return the answer, or None where the question is refused by a 4xx, which is no silence."""
    answer = server.post(path, body_of(path, **fields))
    expect(answer.status == 200 or 400 <= answer.status < 500, f"{NAMES[path]} {fields} is answered {answer}")
    return answer.json if answer.status == 200 else None


@check("sampling.temperature_has_no_ceiling", needs=EITHER)
def temperature_has_no_ceiling(server: Asker) -> None:
    """Temperatures 1, 1.5 and 2 draw three texts from one seed: none of them is taken for another."""
    for path in server.generating("temperature", "seed"):
        drawn = {
            at: [server.said(path, **FREE | {"temperature": at, "seed": seed}) for seed in (1, 2)] for at in (1, 1.5, 2)
        }
        for low, high in ((1, 1.5), (1.5, 2), (1, 2)):
            told = f"{NAMES[path]}: at the temperatures {low} and {high} two seeds give one text each: {drawn[low]}"
            expect(drawn[low] != drawn[high], told)


@check("choices.may_be_many", needs=[f"{path} n" for path in GENERATING])
def choices_may_be_many(server: Asker) -> None:
    """n 12 gives twelve choices, or is refused."""
    for path in server.generating():
        answer = served_or_refused(server, path, **FREE | ONE, n=MANY_CHOICES)
        count = MANY_CHOICES if answer is None else len(answer["choices"])
        expect(count == MANY_CHOICES, f"{NAMES[path]}: n {MANY_CHOICES} gives {count} choices")


@check("choices.of_many_prompts", needs=[f"{COMPLETIONS} prompt"])
def choices_of_many_prompts(server: Asker) -> None:
    """Twenty prompts have twenty choices, each of its own prompt, or are refused."""
    prompts = ["1, 2, 3, 4", "The", "Once upon a time", "It was"]
    alone = [server.said(COMPLETIONS, **GREEDY | ONE, prompt=each) for each in prompts]
    answer = served_or_refused(server, COMPLETIONS, **GREEDY | ONE, prompt=[prompts[i % 4] for i in range(NUM_PROMPTS)])
    if answer is not None:
        expected = [alone[i % 4] for i in range(NUM_PROMPTS)]
        expect(texts(answer) == expected, f"{NUM_PROMPTS} prompts give {texts(answer)}; each alone {alone}")


@check("logprobs.are_as_many_as_asked", needs=[f"{path} logprobs" for path in GENERATING])
def logprobs_are_as_many_as_asked(server: Asker) -> None:
    """The most alternatives that the API allows are given, at every token, or refused."""
    for path in server.generating():
        most = MOST_ALTERNATIVES[path]
        wanted = {"logprobs": most} if path == COMPLETIONS else {"logprobs": True, "top_logprobs": most}
        answer = served_or_refused(server, path, **GREEDY | {"max_tokens": 3, "min_tokens": 3}, **wanted)
        if answer is not None:
            logprobs = answer["choices"][0]["logprobs"]
            tops = [each["top_logprobs"] for each in logprobs["content"]] if path == CHAT else logprobs["top_logprobs"]
            sizes = [len(top) for top in tops]
            expect(min(sizes) >= most, f"{NAMES[path]}: {most} alternatives were asked for; there are {sizes}")


@check("logit_bias.is_not_cut", needs=[f"{COMPLETIONS} logit_bias"])
def logit_bias_is_not_cut(server: Asker) -> None:
    """Of two forced tokens the one with the larger bias is drawn, up to 100, and the last of 150 biases counts too."""
    x, y = (str(server.token_ids(letter)[-1]) for letter in "xy")
    fields = GREEDY | {"min_tokens": 0, "max_tokens": 6}
    for bias, letter in (({x: 100, y: 70}, "x"), ({x: 70, y: 100}, "y")):
        text = server.said(COMPLETIONS, **fields, logit_bias=bias)
        expect(text.count(letter) > 4, f"the bias {bias} should force {letter!r}; the text is {text!r}")
    others = [str(token_id) for token_id in range(160) if str(token_id) not in (x, y)][:149]
    long = served_or_refused(server, COMPLETIONS, **fields, logit_bias={**dict.fromkeys(others, -100), x: 100})
    if long is not None:
        expect(
            texts(long)[0].count("x") > 4, f"the last of 150 biases should force 'x'; the text is {texts(long)[0]!r}"
        )


@check("prompt.is_read_to_its_beginning", needs=[f"{COMPLETIONS} prompt"])
def prompt_is_read_to_its_beginning(server: Asker) -> None:
    """Words before a prompt of 160 words are counted, and change what follows it."""
    length = server.declaration.context_length
    if length is not None and length < 3 * NUM_WORDS:
        raise Untold(f"the context of {length} tokens may not hold a prompt of {NUM_WORDS} words")
    logprobs = {"logprobs": 1} if server.declaration.has(f"{COMPLETIONS} logprobs") else {}
    seen = []
    for begun in ("", "one two three four five six seven eight "):
        answer = server.ask(COMPLETIONS, **GREEDY | ONE, prompt=begun + "word " * NUM_WORDS, **logprobs)
        told = answer["choices"][0].get("logprobs") or {}
        seen.append((answer["usage"]["prompt_tokens"], told.get("token_logprobs"), texts(answer)))
    (short, *_), (long, *_) = seen
    expect(long - short >= 8, f"a prompt of {NUM_WORDS} words has {short} tokens, with eight before it {long}")
    expect(seen[0][1:] != seen[1][1:] or not logprobs, f"eight words before {NUM_WORDS} others change nothing: {seen}")
