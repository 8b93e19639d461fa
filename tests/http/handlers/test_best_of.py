"""best_of: the n of more choices whose tokens are the likeliest on average, best first."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from tests.http.handlers.serving import Client, complete

FIELDS: dict[str, Any] = {"max_tokens": 6, "temperature": 1.5, "seed": 4, "min_p": 0, "top_p": 1, "top_k": 0}


def mean_logprob(choice: dict[str, Any]) -> float:
    return statistics.mean(choice["logprobs"]["token_logprobs"])


@pytest.mark.parametrize(("n", "best_of"), [(1, 5), (2, 5), (5, 5)])
async def test_the_best_of_them_are_given_best_first(client: Client, n: int, best_of: int) -> None:
    every = (await complete(client, **FIELDS, n=best_of, logprobs=0))["choices"]

    best = (await complete(client, **FIELDS, n=n, best_of=best_of, logprobs=0))["choices"]

    ranked = sorted(every, key=mean_logprob, reverse=True) if n < best_of else every
    assert [choice["text"] for choice in best] == [choice["text"] for choice in ranked[:n]]
    assert [choice["index"] for choice in best] == list(range(n))


async def test_log_probabilities_are_not_shown_unless_asked_for(client: Client) -> None:
    choice = (await complete(client, **FIELDS, best_of=3))["choices"][0]

    assert choice["logprobs"] is None


async def test_each_prompt_of_a_list_has_its_own_best(client: Client) -> None:
    together = (await complete(client, **FIELDS, prompt=["one", "two"], best_of=4))["choices"]

    alone = [(await complete(client, **FIELDS, prompt=each, best_of=4))["choices"][0] for each in ("one", "two")]
    assert [choice["text"] for choice in together] == [choice["text"] for choice in alone]


async def test_an_echoed_prompt_does_not_count(client: Client) -> None:
    plain = (await complete(client, **FIELDS, prompt="one", best_of=4, logprobs=0))["choices"][0]

    echoed = (await complete(client, **FIELDS, prompt="one", best_of=4, logprobs=0, echo=True))["choices"][0]

    assert echoed["text"] == "one" + plain["text"]


async def test_every_generated_token_counts_as_used(client: Client) -> None:
    answer = await complete(client, **FIELDS, best_of=4, min_tokens=6)

    assert answer["usage"]["completion_tokens"] == 24
