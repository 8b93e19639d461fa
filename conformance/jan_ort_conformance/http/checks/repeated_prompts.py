"""Prompts that come again: what was kept of them changes neither counts, logprobs nor texts."""

from __future__ import annotations

import math
from typing import Any

from jan_ort_conformance.http.check_tools.answers import texts
from jan_ort_conformance.http.check_tools.asker import CHAT, COMPLETIONS, EITHER, GREEDY, NAMES, Asker, Untold, body_of
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import Level, expect

LENGTHS = (31, 32, 33, 255, 256, 257)
"""Words of a prompt, around the borders of blocks and chunks that caches are made of."""
TOLERANCE = 0.5
"""Of a logprob: weights of few bits give others in chunks than at once, and another prompt by far others."""
FEW = GREEDY | {"max_tokens": 2, "min_tokens": 2}


def _values(server: Asker, prompt: str) -> tuple[list[str], list[float], int]:
    answer = server.ask(COMPLETIONS, **FEW, prompt=prompt, logprobs=1)
    return texts(answer), answer["choices"][0]["logprobs"]["token_logprobs"], answer["usage"]["prompt_tokens"]


@check("prompt.comes_again_at_any_length", needs=[f"{COMPLETIONS} logprobs"])
def comes_again_at_any_length(server: Asker) -> None:
    """Prompts of 31 to 257 words have the same count and logprobs again, after one that is a word longer."""
    room = server.declaration.context_length
    lengths = [each for each in LENGTHS if room is None or 1.5 * each < room]
    for length in lengths:
        prompt = f"Number {length}:" + " a" * length
        text, first, count = _values(server, prompt)
        _, _, longer = _values(server, f"{prompt} a")
        again_text, again, again_count = _values(server, prompt)
        told = (
            f"a prompt of {length} words, first {text} {first} of {count}, again {again_text} {again} of {again_count}"
        )
        # After the first token the texts may part, where two tokens are as likely as each other.
        compared = len(first) if text == again_text else 1
        near = all(math.isclose(a, b, abs_tol=TOLERANCE) for a, b in zip(first[:compared], again, strict=False))
        expect(near, told)
        expect(text == again_text or server.level is not Level.STRICT, told)
        expect(again_count == count < longer <= count + 2, f"{told}; a word more is {longer} tokens")


@check("usage.counts_what_was_kept", needs=EITHER)
def counts_what_was_kept(server: Asker) -> None:
    """A prompt has as many tokens when it comes again, kept or not."""
    for path in server.generating():
        counts = [server.ask(path, **FEW)["usage"]["prompt_tokens"] for _ in range(3)]
        expect(len(set(counts)) == 1, f"{NAMES[path]}: one prompt three times has {counts} tokens")


NULLABLE: dict[str, tuple[str, ...]] = {
    COMPLETIONS: ("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "n", "stop", "echo", "suffix"),
    CHAT: ("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "n", "stop"),
}
"""Fields that OpenAI's API lets be null, as many clients send all that they leave out."""


@check("field.null_is_left_out", needs=EITHER)
def null_is_left_out(server: Asker) -> None:
    """A null where OpenAI's API allows one is as if the field were left out, and no error of the server."""
    for path in server.generating():
        plain = server.said(path, **GREEDY)
        nulls: dict[str, Any] = {name: None for name in NULLABLE[path] if server.declaration.has(f"{path} {name}")}
        answer = server.post(path, body_of(path, **GREEDY, **nulls))
        if answer.status in (400, 422) and server.level is not Level.STRICT:
            raise Untold(f"{NAMES[path]}: null is refused: {answer}")
        expect(answer.status == 200, f"{NAMES[path]}: with {nulls} the answer is {answer}")
        expect(
            texts(answer.json) == [plain],
            f"{NAMES[path]}: with {nulls} the text is {texts(answer.json)}, not {plain!r}",
        )


@check("logprobs.follow_their_tokens", needs=[f"{COMPLETIONS} logprobs", f"{CHAT} logprobs"])
def logprobs_follow_their_tokens(server: Asker) -> None:
    """The alternatives of one token are not those of another: each position has its own."""
    for path in server.generating():
        wanted = {"logprobs": 3} if path == COMPLETIONS else {"logprobs": True, "top_logprobs": 3}
        logprobs = server.ask(path, **GREEDY, **wanted)["choices"][0]["logprobs"]
        if path == COMPLETIONS:
            tops = [tuple(sorted(top.values())) for top in logprobs["top_logprobs"]]
        else:
            tops = [tuple(sorted(each["logprob"] for each in top["top_logprobs"])) for top in logprobs["content"]]
        least = (len(tops) + 1) // 2 if len(tops) > 3 else 1
        expect(len(set(tops)) >= least, f"{NAMES[path]}: {len(tops)} tokens have {len(set(tops))} lists: {tops[:2]}")


@check("logprobs.follow_no_temperature", level=Level.STRICT, needs=[f"{COMPLETIONS} logprobs", f"{CHAT} logprobs"])
def logprobs_follow_no_temperature(server: Asker) -> None:
    """The likeliest first tokens have the same logprobs at every temperature."""
    for path in server.generating():
        seen = []
        for at in (0, 0.5, 1, 2):
            wanted = {"logprobs": 3} if path == COMPLETIONS else {"logprobs": True, "top_logprobs": 3}
            one = FEW | {"max_tokens": 1, "min_tokens": 1, "temperature": at}
            logprobs = server.ask(path, **one, **wanted)["choices"][0]["logprobs"]
            if path == COMPLETIONS:
                values = sorted(logprobs["top_logprobs"][0].values())[-3:]
            else:
                values = sorted(each["logprob"] for each in logprobs["content"][0]["top_logprobs"])[-3:]
            seen.append([round(value, 3) for value in values])
        near = all(math.isclose(a, b, abs_tol=5e-3) for values in seen for a, b in zip(values, seen[0], strict=True))
        expect(near, f"{NAMES[path]}: at the temperatures 0, 0.5, 1 and 2 the likeliest have the logprobs {seen}")
