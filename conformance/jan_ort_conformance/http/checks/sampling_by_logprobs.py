"""How tokens are drawn: filters, temperature, biases and penalties between their extremes, by the model's logprobs."""

from __future__ import annotations

import math
from typing import Any

from jan_ort_conformance.http.check_tools.answers import text_of, texts
from jan_ort_conformance.http.check_tools.asker import COMPLETIONS, FREE, GREEDY, PROMPT, Asker, Untold
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import expect

ONE = {"max_tokens": 1, "min_tokens": 1}
NUM_SEEDS = 32
PROMPTS = (PROMPT, "The", "I think that", "It was", "1")


def _first_token(server: Asker, prompt: str, **fields: Any) -> str:
    """Return the token that is drawn after the prompt, as its logprobs spell it."""
    logprobs = server.ask(COMPLETIONS, **FREE | ONE | fields, prompt=prompt, logprobs=0)["choices"][0]["logprobs"]
    return str(logprobs["tokens"][0])


def _likeliest(server: Asker, prompt: str) -> list[tuple[str, float]]:
    """Return the likeliest first tokens and their probabilities, the likeliest first."""
    answer = server.ask(COMPLETIONS, **GREEDY | ONE, prompt=prompt, logprobs=5)
    top = answer["choices"][0]["logprobs"]["top_logprobs"][0]
    return sorted(((token, math.exp(value)) for token, value in top.items()), key=lambda each: -each[1])


def _open_prompt(server: Asker, *, most: float) -> tuple[str, list[tuple[str, float]]]:
    """Return a prompt whose two likeliest first tokens have no more than a probability of ``most`` together."""
    for prompt in PROMPTS:
        top = _likeliest(server, prompt)
        if len(top) > 3 and top[0][1] + top[1][1] <= most and top[1][1] > 1.05 * top[2][1]:
            return prompt, top
    raise Untold("after every prompt that was tried, two tokens are too likely to tell filters apart")


def _drawn(server: Asker, prompt: str, **fields: Any) -> set[str]:
    return {_first_token(server, prompt, **fields, seed=seed) for seed in range(NUM_SEEDS)}


def _expect_two(server: Asker, fields: dict[str, Any]) -> None:
    """Expect of 32 seeds that they draw the two likeliest tokens, and nothing else, under a filter that keeps two."""
    prompt, top = _open_prompt(server, most=0.85)
    (first, p1), (second, p2), (_, p3), *_ = top
    values = {"top_p": p1 + p2 / 2, "min_p": math.sqrt(p2 * p3) / p1, "top_k": 2}
    (name,) = fields
    drawn = _drawn(server, prompt, temperature=1, **{name: values[name]})

    told = f"{name} {values[name]} keeps {first!r} and {second!r} of {top}; 32 seeds drew {sorted(drawn)}"
    expect(drawn == {first, second}, told)


@check("sampling.top_k_keeps_so_many", needs=[f"{COMPLETIONS} top_k", f"{COMPLETIONS} logprobs"])
def top_k_keeps_so_many(server: Asker) -> None:
    """top_k 2 draws both of the two likeliest tokens, and none else; 3 at any heat one of three."""
    _expect_two(server, {"top_k": 2})
    prompt, top = _open_prompt(server, most=0.85)
    drawn = _drawn(server, prompt, temperature=100, top_k=3)
    expect(len(drawn) == 3, f"top_k 3 of {top} at temperature 100 drew {sorted(drawn)} in 32 seeds")


@check("sampling.top_p_keeps_the_nucleus", needs=[f"{COMPLETIONS} top_p", f"{COMPLETIONS} logprobs"])
def top_p_keeps_the_nucleus(server: Asker) -> None:
    """A top_p between the probability of one token and of two draws both, and none else."""
    _expect_two(server, {"top_p": None})


@check("sampling.min_p_keeps_the_likely", needs=[f"{COMPLETIONS} min_p", f"{COMPLETIONS} logprobs"])
def min_p_keeps_the_likely(server: Asker) -> None:
    """A min_p between the second and the third token's share of the first draws two, and none else."""
    _expect_two(server, {"min_p": None})


@check("sampling.temperature_divides", needs=[f"{COMPLETIONS} {name}" for name in ("temperature", "top_k", "n")])
def temperature_divides(server: Asker) -> None:
    """Of two tokens the less likely is drawn as often as logits divided by the temperature say."""
    prompt, top = _open_prompt(server, most=0.85)
    gap = math.log(top[0][1] / top[1][1])
    fields = FREE | ONE | {"top_k": 2, "temperature": gap / 2}  # its odds are then e^-2 to one: 12 in 100
    answers = [
        server.ask(COMPLETIONS, **fields | {"seed": seed}, prompt=prompt, n=8, logprobs=0) for seed in range(NUM_SEEDS)
    ]

    drawn = [choice["logprobs"]["tokens"][0] for answer in answers for choice in answer["choices"]]
    share = drawn.count(top[1][0]) / len(drawn)
    told = f"{len(drawn)} draws at temperature {gap / 2:.4f} of two tokens {gap:.3f} apart took the second {share:.3f}"
    expect(0.055 < share < 0.19, f"{told} of the time; 0.119 is expected")


def _id_of(server: Asker, text: str) -> str:
    return str(server.token_ids(text)[-1])


@check("logit_bias.is_added_as_it_is", needs=[f"{COMPLETIONS} logit_bias", f"{COMPLETIONS} logprobs"])
def logit_bias_is_added_as_it_is(server: Asker) -> None:
    """A bias a little above the gap between two tokens turns them round, one a little below does not."""
    prompt, top = next(
        (prompt, top)
        for prompt in PROMPTS
        if (top := _likeliest(server, prompt)) and len(top) > 1 and top[0][1] > 1.3 * top[1][1]
    )
    (first, p1), (second, p2) = top[:2]
    token_id, gap = _id_of(server, second), math.log(p1 / p2)
    for bias, expected in ((gap * 0.8, first), (gap * 1.2, second)):
        given = _first_token(server, prompt, temperature=0, min_tokens=0, logit_bias={token_id: bias})
        told = f"{second!r} is {gap:.3f} below {first!r}; with a bias of {bias:.3f} on it {given!r} is chosen"
        expect(given == expected, told)


@check("logit_bias.holds_for_every_token", needs=[f"{COMPLETIONS} logit_bias", f"{COMPLETIONS} logprobs"])
def logit_bias_holds_for_every_token(server: Asker) -> None:
    """Each entry of a bias counts, wherever it stands in it."""
    ids = [_id_of(server, letter) for letter in "xyz"]
    for kept in range(3):
        bias = {token_id: 100 if index == kept else -100 for index, token_id in enumerate(ids)}
        for order in (bias, dict(reversed(bias.items()))):
            text = server.said(COMPLETIONS, **FREE | {"min_tokens": 0}, logit_bias=order)
            letter = "xyz"[kept]
            expect(text.count(letter) > 10, f"{letter!r} is forced by the bias {order}, and given is {text!r}")


LONG = GREEDY | {"max_tokens": 60, "min_tokens": 60}


def _count_of_x(server: Asker, token_id: str, bias: float, **fields: Any) -> int:
    return server.said(COMPLETIONS, **LONG | {"min_tokens": 0}, logit_bias={token_id: bias}, **fields).count("x")


@check(
    "sampling.penalties_differ",
    needs=[f"{COMPLETIONS} {name}" for name in ("logit_bias", "presence_penalty", "frequency_penalty")],
)
def penalties_differ(server: Asker) -> None:
    """presence_penalty takes its amount from a used token once, frequency_penalty for each of its uses."""
    token_id = _id_of(server, "x")
    whole = LONG["max_tokens"]
    bias = next((each for each in (10, 20, 40) if _count_of_x(server, token_id, each - 4) == whole), 80)

    once = _count_of_x(server, token_id, bias, presence_penalty=2)
    each_time = _count_of_x(server, token_id, bias, frequency_penalty=2)

    expect(once == whole, f"with a bias of {bias}, a presence_penalty of 2 leaves {once} of {whole} forced tokens")
    told = f"with a bias of {bias}, a frequency_penalty of 2 leaves {each_time} of {whole} forced tokens"
    expect(1 < each_time < whole, told)


@check(
    "sampling.penalties_lower",
    needs=[f"{COMPLETIONS} {name}" for name in ("presence_penalty", "frequency_penalty", "logprobs")],
)
def penalties_lower(server: Asker) -> None:
    """A positive penalty gives more different tokens than none, a negative one fewer."""
    names = [
        name for name in ("presence_penalty", "frequency_penalty") if server.declaration.has(f"{COMPLETIONS} {name}")
    ]
    for name in names:
        low, high = (len(set(server.drawn(COMPLETIONS, **LONG | {name: value}))) for value in (-2, 2))
        expect(low < high, f"of 60 tokens {low} differ with {name} -2, {high} with 2")
        # Drawn, and not the likeliest, for a text that repeats itself unasked does so with a reward, too.
        rewarded, free = (server.said(COMPLETIONS, **LONG | FREE | {"max_tokens": 60, name: by}) for by in (-2, 0))
        expect(rewarded != free, f"with {name} -2 and 0 the same text is drawn: {free!r}")


@check("sampling.best_of_is_the_likeliest", needs=[f"{COMPLETIONS} {name}" for name in ("best_of", "n", "logprobs")])
def best_of_is_the_likeliest(server: Asker) -> None:
    """The choice of best_of is, among as many of the same seed, that of the highest mean logprob."""
    for seed in range(4):
        fields = FREE | {"seed": seed}
        answer = server.ask(COMPLETIONS, **fields, n=4, best_of=4, logprobs=0)
        means = {}
        for text, choice in zip(texts(answer), answer["choices"], strict=True):
            values = choice["logprobs"]["token_logprobs"]
            means[text] = sum(values) / max(len(values), 1)
        best = server.said(COMPLETIONS, **fields, best_of=4)
        if best in means:
            expect(means[best] >= max(means.values()) - 1e-3, f"of {means} best_of 4 gives {best!r}")
        else:
            raise Untold(f"the candidates of best_of 4 are others than n 4 gives: {best!r}")


_SHORTER = [f"{COMPLETIONS} {name}" for name in ("best_of", "n", "logprobs", "stop")]
GAP = 0.5
"""Between two mean logprobs that no other way of counting the end of a text turns round."""


@check("sampling.best_of_is_no_sum", needs=_SHORTER)
def best_of_is_no_sum(server: Asker) -> None:
    """Of candidates of several lengths best_of takes that of the highest logprob per token, not of the highest sum."""
    fields = FREE | {"min_tokens": 0, "stop": ["."]}
    shorter = []
    for seed in range(NUM_SEEDS):
        asked = fields | {"seed": seed, "best_of": 8}
        choices = server.ask(COMPLETIONS, **asked, n=8, logprobs=0)["choices"]
        values = {text_of(each): each["logprobs"]["token_logprobs"] for each in choices}
        if not all(values.values()):
            continue
        means, sums = ({text: total(each) for text, each in values.items()} for total in (_mean, sum))
        likely, short = max(means, key=means.__getitem__), max(sums, key=sums.__getitem__)
        if means[likely] - means[short] < GAP:
            continue
        best = server.said(COMPLETIONS, **asked)
        if best != short:
            return
        shorter.append(f"{best!r} of {means}")
        expect(len(shorter) < 3, f"best_of 8 gives three times the text of the highest sum of logprobs: {shorter}")
    raise Untold(f"in {NUM_SEEDS} seeds the likeliest text and that of the highest sum differ {len(shorter)} times")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
