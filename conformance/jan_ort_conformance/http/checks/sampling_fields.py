"""Fields that shape what is drawn: for each a relation that cannot hold if the field is ignored."""

from __future__ import annotations

import re
from collections import Counter

from jan_ort_conformance.http.check_tools.asker import FREE, GREEDY, TOKENIZE, Asker, Untold, expect_effect
from jan_ort_conformance.http.check_tools.http_check import generation_field
from jan_ort_conformance.verdicts.verdict import Level


@generation_field("temperature", level=Level.CORE)
def temperature(path: str, server: Asker) -> None:
    """At temperature 0 the seed does not matter, at 1.5 it does."""
    cold, warm = (
        {server.said(path, **FREE | {"temperature": at, "seed": seed}) for seed in (1, 2, 3)} for at in (0, 1.5)
    )
    expect_effect(len(cold) == 1, f"at temperature 0 three seeds give {len(cold)} texts")
    expect_effect(len(warm) == 3, f"at temperature 1.5 three seeds give {len(warm)} texts")


@generation_field("seed", level=Level.CORE)
def seed(path: str, server: Asker) -> None:
    """A seed repeats its text; another seed and none give others."""
    first, again, other, none, fresh = (server.said(path, **FREE | {"seed": each}) for each in (7, 7, 8, None, None))
    expect_effect(first == again, f"the same seed gives {first!r} and {again!r}")
    expect_effect(len({first, other, none, fresh}) == 4, f"seeds 7, 8 and none twice: {[first, other, none, fresh]}")
    nought, repeated = (server.said(path, **FREE | {"seed": 0}) for _ in range(2))
    expect_effect(nought == repeated, f"the seed 0 gives {nought!r} and {repeated!r}")
    for far in (7 + 1000, 7 + 2**16, 7 + 10**6):
        expect_effect(server.said(path, **FREE | {"seed": far}) != first, f"the seeds 7 and {far} both give {first!r}")


def _variety(path: str, server: Asker, **fields: object) -> int:
    """Return how many different first tokens 16 requests of different seeds draw."""
    one = FREE | {"temperature": 2, "max_tokens": 1, "min_tokens": 1} | fields
    return len({server.said(path, **one | {"seed": seed}) for seed in range(16)})


def _tighter(path: str, server: Asker, name: str, loose: object, tight: object, **fields: object) -> None:
    wide, narrow = (_variety(path, server, **fields | {name: at}) for at in (loose, tight))
    expect_effect(narrow == 1, f"{name} {tight} draws {narrow} different tokens, not one")
    told = f"{name} {loose} draws {wide} different tokens in 16 seeds"
    if wide <= 2 and server.level is not Level.STRICT:
        raise Untold(f"{told}, which are too few to see it by")
    expect_effect(wide > 2, told)


@generation_field("top_k")
def top_k(path: str, server: Asker) -> None:
    """top_k 1 draws the likeliest token only, 0 any; 2 at most two."""
    _tighter(path, server, "top_k", 0, 1)
    num_drawn = _variety(path, server, top_k=2, temperature=100)
    expect_effect(num_drawn <= 2, f"top_k 2 draws {num_drawn} different tokens")


@generation_field("top_p")
def top_p(path: str, server: Asker) -> None:
    """top_p 0 draws the likeliest token only, 1 any: also those that 0.95 leaves out."""
    _tighter(path, server, "top_p", 1, 0)
    if not all(server.declaration.has(f"{path} {name}") for name in ("top_k", "min_p")):
        return  # what it filters unasked, and cannot be told to leave, may take that twentieth

    def drawn(at: float, seed: int) -> str:
        return server.said(path, **FREE | {"temperature": 2, "top_p": at, "seed": seed})

    # The first seeds tell a sound server; that all of 192 draws miss the last twentieth is one case in 20,000.
    differ = any(drawn(1, seed) != drawn(0.95, seed) for seed in range(8))
    expect_effect(differ, "in eight seeds top_p 1 and 0.95 give the same texts")


@generation_field("min_p")
def min_p(path: str, server: Asker) -> None:
    """min_p 1 draws the likeliest token only, 0 any."""
    _tighter(path, server, "min_p", 0, 1)


@generation_field("mirostat_tau")
def mirostat_tau(path: str, server: Asker) -> None:
    """A surprise of 0 draws the likeliest token only, one of 10 others."""
    _tighter(path, server, "mirostat_tau", 10, 0, mirostat_mode=2)


@generation_field("mirostat_mode")
def mirostat_mode(path: str, server: Asker) -> None:
    """No mirostat, mirostat 1 and 2 draw otherwise, and a mirostat leaves the filters aside."""
    plain, first, second = (server.said(path, **FREE, mirostat_mode=mode, mirostat_tau=3) for mode in (0, 1, 2))
    expect_effect(len({plain, first, second}) == 3, f"modes 0, 1 and 2 give {[plain, first, second]}")


@generation_field("mirostat_eta")
def mirostat_eta(path: str, server: Asker) -> None:
    """The learning rate changes what is drawn after the first token."""
    fields = FREE | {"mirostat_mode": 2, "mirostat_tau": 2, "max_tokens": 60, "min_tokens": 60}
    slow, fast = (server.said(path, **fields, mirostat_eta=eta) for eta in (0.001, 1))
    expect_effect(slow != fast, f"eta 0.001 and 1 both give {slow!r}")


_ENOUGH_TO_REPEAT = 20
"""Tokens of a text in which one is expected more than once; where min_tokens is not declared, a text may be shorter."""


def _penalty(name: str, low: float, high: float, path: str, server: Asker) -> None:
    """Text that does not repeat itself without a penalty need not with one: so ``low`` may make it repeat."""
    long = GREEDY | {"max_tokens": 60, "min_tokens": 60}
    drawn = [list(filter(None, server.drawn(path, **long | {name: value}))) for value in (low, high)]
    if min(map(len, drawn)) < _ENOUGH_TO_REPEAT:
        raise Untold(f"with {name} {low} and {high} the texts end after {[len(each) for each in drawn]} tokens")
    most, fewer = (max(Counter(tokens).values()) for tokens in drawn)
    told = f"the commonest of 60 tokens occurs {most} times with {name} {low}, {fewer} with {high}"
    expect_effect(fewer < most, told)


@generation_field("repeat_penalty")
def repeat_penalty(path: str, server: Asker) -> None:
    """A repeat_penalty of 5 makes the commonest token rarer than one of 1."""
    _penalty("repeat_penalty", 1, 5, path, server)


@generation_field("presence_penalty")
def presence_penalty(path: str, server: Asker) -> None:
    """A presence_penalty of 2 changes what repeats."""
    long = GREEDY | {"max_tokens": 80, "min_tokens": 80}
    free, penalized = (server.said(path, **long, presence_penalty=at) for at in (0, 2))
    expect_effect(free != penalized, f"80 tokens at presence_penalty 0 and 2 are the same: {free!r}")


@generation_field("frequency_penalty")
def frequency_penalty(path: str, server: Asker) -> None:
    """A frequency_penalty of 2 makes the commonest token rarer than one of -2."""
    _penalty("frequency_penalty", -2, 2, path, server)


def _biased(path: str, server: Asker, bias: dict[str, float], **fields: object) -> str:
    return server.said(path, **FREE | {"min_tokens": 0}, logit_bias=bias, **fields)


_REPEATED = re.compile(r"(.+?)\1{9,}.*", re.DOTALL)


def _forces_ids(path: str, server: Asker) -> None:
    """Where nobody tells the ids of tokens: any id that is forced repeats its token, and others another."""
    forced = [_biased(path, server, {str(token_id): 100}) for token_id in (100, 200, 300, 400)]
    repeated = {text for text in forced if _REPEATED.fullmatch(text)}
    expect_effect(len(repeated) > 1, f"four ids are forced in turn, and given is {forced}")


@generation_field("logit_bias", level=Level.CORE)
def logit_bias(path: str, server: Asker) -> None:
    """A bias of 100 forces a token, one of -100 forbids it."""
    if not server.declaration.has(TOKENIZE):
        _forces_ids(path, server)
        return
    token_id = server.token_ids("x")[-1]
    forced = _biased(path, server, {str(token_id): 100})
    expect_effect(
        len(set(forced.split("x"))) <= 2 and forced.count("x") > 10, f"'x' is forced, and given is {forced!r}"
    )
    both = {str(token_id): -100.0, str(server.token_ids("y")[-1]): 100.0}
    expect_effect("x" not in _biased(path, server, both), "'x' is forbidden and given all the same")


@generation_field("logit_bias_type")
def logit_bias_type(path: str, server: Asker) -> None:
    """Keys are ids with input_ids, and text with tokens."""
    by_text = _biased(path, server, {"7": 100.0}, logit_bias_type="tokens")
    expect_effect(by_text.count("7") > 10, f"the text '7' is forced, and given is {by_text!r}")
    if server.declaration.has(TOKENIZE):
        token_id = server.token_ids("x")[-1]
        by_id = _biased(path, server, {str(token_id): 100.0}, logit_bias_type="input_ids")
        expect_effect(by_id.count("x") > 10, f"the id of 'x' is forced, and given is {by_id!r}")
