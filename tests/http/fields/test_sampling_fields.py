"""Fields that shape what is drawn, in completions and chat alike: changing one changes the text as it is defined."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.http.fields.asking import FREE, GREEDY, ask, drawn, said, texts
from tests.http.fields.registry import generation_field
from tests.http.handlers.serving import Client

LONG = {"max_tokens": 60, "min_tokens": 60}


@generation_field("temperature")
@pytest.mark.parametrize(("temperature", "num_texts"), [(0, 1), (1e-6, 1), (1.5, 3)])
async def test_temperature_decides_whether_the_seed_matters(
    client: Client, path: str, temperature: float, num_texts: int
) -> None:
    answers = {await said(client, path, **FREE | {"temperature": temperature, "seed": seed}) for seed in (1, 2, 3)}

    assert len(answers) == num_texts


@generation_field("seed")
async def test_a_seed_repeats_its_text_and_no_other(client: Client, path: str) -> None:
    first, again, other, none = [await said(client, path, **FREE | {"seed": seed}) for seed in (7, 7, 8, None)]

    assert first == again
    assert len({first, other, none}) == 3


@generation_field("temperature", "top_k", "top_p", "min_p", "mirostat_tau")
@pytest.mark.parametrize(
    ("name", "ever_tighter"),
    [
        ("temperature", [3, 0.3, 0]),
        ("top_k", [0, 3, 1]),
        ("top_p", [1, 0.3, 0]),
        ("min_p", [0, 0.3, 1]),
        ("mirostat_tau", [10, 2.5, 0]),
    ],
)
async def test_the_tighter_a_filter_the_fewer_tokens_are_drawn(
    client: Client, path: str, name: str, ever_tighter: list[float]
) -> None:
    fields = FREE | {"n": 60, "max_tokens": 1, "min_tokens": 1} | ({"mirostat_mode": 2} if "mirostat" in name else {})

    loose, tight, tightest = [Counter(texts(await ask(client, path, **fields | {name: at}))) for at in ever_tighter]

    assert len(loose) > len(tight) > len(tightest) == 1


@generation_field("top_k")
@pytest.mark.parametrize("top_k", [1, 2, 5])
async def test_top_k_is_how_many_tokens_may_be_drawn(client: Client, path: str, top_k: int) -> None:
    fields = FREE | {"n": 60, "max_tokens": 1, "min_tokens": 1, "temperature": 100, "top_k": top_k}

    choices = await ask(client, path, **fields)

    assert len(set(texts(choices))) == top_k


@generation_field("repeat_penalty", "presence_penalty", "frequency_penalty")
@pytest.mark.parametrize(("name", "value"), [("repeat_penalty", 5), ("presence_penalty", 2), ("frequency_penalty", 2)])
async def test_a_penalty_makes_the_commonest_token_rarer(client: Client, path: str, name: str, value: float) -> None:
    free = Counter(await drawn(client, path, **GREEDY | LONG))

    penalized = Counter(await drawn(client, path, **GREEDY | LONG | {name: value}))

    assert max(penalized.values()) < max(free.values())


@generation_field("logit_bias")
async def test_logit_bias_forces_a_token_or_forbids_it(client: Client, path: str) -> None:
    letter = ord("x")  # the reference model's tokens begin with the bytes

    forced = await said(client, path, **FREE, logit_bias={str(letter): 100})
    forbidden = await said(client, path, **FREE | LONG, logit_bias={str(letter): -100, str(ord("y")): 100})

    assert forced == "x" * 24
    assert forbidden == "y" * 60


@generation_field("logit_bias", "logit_bias_type")
async def test_logit_bias_type_says_whether_a_key_is_an_id_or_text(client: Client, path: str) -> None:
    bias = {"120": 100.0}  # "x" by its id

    by_id, by_default, by_text = [
        await said(client, path, **FREE, logit_bias=bias, logit_bias_type=kind)
        for kind in ("input_ids", None, "tokens")
    ]

    assert by_id == by_default == "x" * 24
    assert set(by_text) <= set("120")


@generation_field("mirostat_mode")
async def test_each_mirostat_draws_otherwise_and_leaves_the_filters_aside(client: Client, path: str) -> None:
    plain, first, second = [await said(client, path, **FREE, mirostat_mode=mode) for mode in (0, 1, 2)]

    filtered = [await said(client, path, **FREE | {"top_k": 1, "min_p": 1}, mirostat_mode=mode) for mode in (1, 2)]

    assert len({plain, first, second}) == 3
    assert filtered == [first, second]


@generation_field("mirostat_eta")
@pytest.mark.parametrize("mode", [1, 2])
async def test_mirostat_eta_matters_from_the_second_token_on(client: Client, path: str, mode: int) -> None:
    fields = FREE | {"mirostat_mode": mode, "mirostat_tau": 2, "max_tokens": 60, "min_tokens": 60}

    slow, fast = [await drawn(client, path, **fields, mirostat_eta=eta) for eta in (0.001, 1)]

    assert slow[0] == fast[0]
    assert slow != fast
