"""POST /v1/completions: prompts in every spelling, choices in the right places."""

from __future__ import annotations

import pytest

from tests.http.handlers.serving import COMPLETIONS, Client, complete, post, text_of

SAMPLED = {"temperature": 1.0, "seed": 5, "max_tokens": 8}


async def test_an_empty_object_is_a_valid_request(client: Client) -> None:
    status, answer = await post(client, COMPLETIONS, {})

    assert status == 200
    assert answer["object"] == "text_completion"
    assert answer["model"] == "reference"
    assert answer["choices"][0].keys() == {"index", "text", "logprobs", "finish_reason"}


async def test_an_empty_prompt_is_generated_from_bos(client: Client) -> None:
    empty = await complete(client, prompt="")
    bos = await complete(client, prompt=[506])

    assert empty["choices"] == bos["choices"]
    assert empty["usage"]["prompt_tokens"] == 1


async def test_any_model_name_is_served_and_the_real_one_answered(client: Client) -> None:
    answer = await complete(client, model="gpt-4o")

    assert answer["model"] == "reference"


async def test_token_ids_are_the_same_prompt_as_their_text(client: Client) -> None:
    _, tokens = await post(client, "/extras/tokenize", {"input": "Hello there"})

    by_ids = await text_of(client, prompt=tokens["tokens"])

    assert by_ids == await text_of(client, prompt="Hello there")
    assert by_ids == await text_of(client, prompt=[tokens["tokens"]])
    assert by_ids == await text_of(client, prompt=["Hello there"])


async def test_usage_counts_what_tokenize_counts(client: Client) -> None:
    answer = await complete(client, prompt="Good morning, water!", max_tokens=9, min_tokens=9)
    _, prompt = await post(client, "/extras/tokenize/count", {"input": "Good morning, water!"})

    usage = answer["usage"]

    assert usage["prompt_tokens"] == prompt["count"]
    assert usage["completion_tokens"] == 9
    assert usage["total_tokens"] == prompt["count"] + 9
    assert usage["prompt_tokens_details"]["cached_tokens"] in range(prompt["count"])


async def test_a_repeated_prompt_is_served_from_the_cache(client: Client) -> None:
    prompt = "The birds begin to sing over the river. " * 3

    first = await complete(client, prompt=prompt)
    second = await complete(client, prompt=prompt)

    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > 10
    assert second["choices"] == first["choices"]


@pytest.mark.parametrize("n", [1, 2, 5])
async def test_each_prompt_has_n_choices_and_the_index_says_whose(client: Client, n: int) -> None:
    prompts = ["The sun", "A river", "Two apples"]
    alone = [(await complete(client, prompt=prompt, n=n, **SAMPLED))["choices"] for prompt in prompts]

    together = await complete(client, prompt=prompts, n=n, **SAMPLED)

    assert [choice["index"] for choice in together["choices"]] == list(range(3 * n))
    assert [choice["text"] for choice in together["choices"]] == [c["text"] for choices in alone for c in choices]


async def test_the_choices_of_one_prompt_differ(client: Client) -> None:
    answer = await complete(client, n=4, **SAMPLED)

    assert len({choice["text"] for choice in answer["choices"]}) == 4


async def test_a_prompt_counts_once_whatever_n(client: Client) -> None:
    one = await complete(client, n=1, max_tokens=3, min_tokens=3)
    four = await complete(client, n=4, max_tokens=3, min_tokens=3)

    assert four["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]
    assert four["usage"]["completion_tokens"] == 12


@pytest.mark.parametrize("field", [{"n": None}, {"n": 1.0}, {"best_of": None}, {"best_of": 1}, {"n": 2, "best_of": 2}])
async def test_neutral_spellings_of_n_and_best_of_are_accepted(client: Client, field: dict[str, object]) -> None:
    answer = await complete(client, max_tokens=2, **field)

    assert len(answer["choices"]) == (2 if field.get("n") == 2 else 1)


async def test_a_long_list_of_prompts_is_tokenized_like_each_alone(client: Client) -> None:
    long = ["Every good answer is followed by a better question. " * 4] * 30  # beyond what is tokenized in the loop

    answer = await complete(client, prompt=long, max_tokens=4)

    assert {choice["text"] for choice in answer["choices"]} == {await text_of(client, prompt=long[0], max_tokens=4)}
