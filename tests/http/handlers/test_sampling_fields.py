"""Every field that shapes the text is honoured: changing it changes the text as its definition says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, Client, complete, post, text_of

FREE = {"temperature": 1.5, "top_p": 1, "min_p": 0, "top_k": 0, "repeat_penalty": 1, "max_tokens": 24, "seed": 7}
"""Sampling without any filter."""
GREEDY = {"max_tokens": 24}


async def test_the_same_seed_gives_the_same_text(client: Client) -> None:
    texts = {await text_of(client, **FREE) for _ in range(3)}

    assert len(texts) == 1


@pytest.mark.parametrize("seed", [8, 0, -7, 2**70, -(2**70)])
async def test_another_seed_gives_another_text(client: Client, seed: int) -> None:
    assert await text_of(client, **FREE | {"seed": seed}) != await text_of(client, **FREE)


async def test_without_a_seed_texts_differ(client: Client) -> None:
    texts = {await text_of(client, **FREE | {"seed": None}) for _ in range(5)}

    assert len(texts) == 5


async def test_temperature_zero_is_the_same_whatever_the_seed(client: Client) -> None:
    texts = {await text_of(client, **FREE | {"temperature": 0, "seed": seed}) for seed in (1, 2, None)}

    assert len(texts) == 1


@pytest.mark.parametrize(
    "field", [{"temperature": 1e-6}, {"top_k": 1}, {"top_p": 0}, {"min_p": 1}], ids=lambda field: next(iter(field))
)
async def test_a_filter_that_leaves_one_token_is_greedy(client: Client, field: dict[str, float]) -> None:
    greedy = await text_of(client, **FREE | {"temperature": 0})

    assert await text_of(client, **FREE) != greedy
    assert await text_of(client, **FREE | field) == greedy


@pytest.mark.parametrize(
    "field",
    [{"temperature": 0.5}, {"top_k": 2}, {"top_p": 0.3}, {"min_p": 0.4}],
    ids=lambda field: next(iter(field)),
)
async def test_a_filter_changes_what_is_drawn(client: Client, field: dict[str, float]) -> None:
    assert await text_of(client, **FREE | field) != await text_of(client, **FREE)


@pytest.mark.parametrize(
    ("field", "value"), [("repeat_penalty", 5.0), ("presence_penalty", 2.0), ("frequency_penalty", 2.0)]
)
async def test_a_penalty_changes_a_greedy_text(client: Client, field: str, value: float) -> None:
    plain = GREEDY | {"repeat_penalty": 1, "max_tokens": 60, "min_tokens": 60}

    assert await text_of(client, **plain | {field: value}) != await text_of(client, **plain)


@pytest.mark.parametrize("field", ["presence_penalty", "frequency_penalty"])
async def test_a_penalty_of_zero_or_null_is_none(client: Client, field: str) -> None:
    texts = {await text_of(client, **GREEDY | {field: value}) for value in (0, None)}

    assert texts == {await text_of(client, **GREEDY)}


@pytest.mark.parametrize("max_tokens", [1, 5, 12])
async def test_max_tokens_is_the_most_that_is_generated(client: Client, max_tokens: int) -> None:
    answer = await complete(client, max_tokens=max_tokens, min_tokens=20)

    assert answer["usage"]["completion_tokens"] == max_tokens
    assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("max_tokens", [0, None])
async def test_max_tokens_zero_or_null_is_to_the_end_of_the_context(client: Client, max_tokens: int | None) -> None:
    answer = await complete(client, max_tokens=max_tokens, min_tokens=10**6)

    assert answer["usage"]["total_tokens"] == 512
    assert answer["choices"][0]["finish_reason"] == "length"


async def test_completions_have_sixteen_tokens_by_default(client: Client) -> None:
    answer = await complete(client, min_tokens=100)

    assert answer["usage"]["completion_tokens"] == 16


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_chat_honours_both_spellings_of_max_tokens(client: Client, field: str) -> None:
    status, answer = await post(client, CHAT, {"messages": HELLO, field: 3, "min_tokens": 9})

    assert status == 200
    assert answer["usage"]["completion_tokens"] == 3


async def test_min_tokens_keeps_the_end_of_text_away(client: Client) -> None:
    free = await complete(client, max_tokens=200)
    longer = await complete(client, max_tokens=200, min_tokens=free["usage"]["completion_tokens"] + 5)

    assert free["choices"][0]["finish_reason"] == "stop"
    assert longer["usage"]["completion_tokens"] >= free["usage"]["completion_tokens"] + 5
    assert longer["choices"][0]["text"].startswith(free["choices"][0]["text"])


@pytest.mark.parametrize("spelled", ["one", "list"])
async def test_stop_cuts_at_its_first_occurrence(client: Client, spelled: str) -> None:
    text = await text_of(client, **GREEDY)
    stop = text[10:14]

    answer = await complete(client, **GREEDY, stop=stop if spelled == "one" else ["never", stop])

    assert answer["choices"][0]["text"] == text[: text.index(stop)]
    assert answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stop", [None, [], "never seen", ["never", "seen"]])
async def test_a_stop_string_that_does_not_occur_changes_nothing(client: Client, stop: object) -> None:
    assert await text_of(client, **GREEDY, stop=stop) == await text_of(client, **GREEDY)


async def test_another_prompt_gives_another_text(client: Client) -> None:
    assert await text_of(client, **GREEDY, prompt="Once upon") != await text_of(client, **GREEDY)


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_an_extreme_value_is_served(client: Client, path: str) -> None:
    extremes: list[dict[str, Any]] = [
        {"temperature": 1e308},
        {"temperature": 5e-324},
        {"repeat_penalty": 0},
        {"repeat_penalty": 1e308},
        {"repeat_penalty": 5e-324},
        {"top_k": 10**400, "min_tokens": 10**400},
        {"seed": -(10**400)},
        {"presence_penalty": -2, "frequency_penalty": -2},
    ]

    answers = [await post(client, path, extreme | {"max_tokens": 8}) for extreme in extremes]

    assert [status for status, _ in answers] == [200] * len(extremes)
