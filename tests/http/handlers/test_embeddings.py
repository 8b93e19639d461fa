"""POST /v1/embeddings: one normalised vector for each input, in order."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from tests.http.handlers.serving import EMBEDDINGS, Client, post


async def embed(client: Client, texts: object, **body: Any) -> Any:
    status, answer = await post(client, EMBEDDINGS, {"input": texts} | body)
    assert status == 200, answer
    return answer


async def test_each_input_has_its_vector_in_order(client: Client) -> None:
    texts = ["the sun rises", "a bottle of milk", "the sun rises"]

    answer = await embed(client, texts)

    vectors = np.array([entry["embedding"] for entry in answer["data"]])
    assert [entry["index"] for entry in answer["data"]] == [0, 1, 2]
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.allclose(vectors[0], vectors[1])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


async def test_a_text_alone_is_a_list_of_one(client: Client) -> None:
    assert (await embed(client, "the sun"))["data"] == (await embed(client, ["the sun"]))["data"]


async def test_base64_holds_the_same_float32_numbers(client: Client) -> None:
    as_text = (await embed(client, "the sun", encoding_format="base64"))["data"][0]["embedding"]
    as_numbers = (await embed(client, "the sun", encoding_format="float"))["data"][0]["embedding"]

    assert np.array_equal(np.frombuffer(base64.b64decode(as_text), "<f4"), np.array(as_numbers, np.float32))


async def test_token_ids_are_the_same_input_as_their_text(client: Client) -> None:
    _, tokens = await post(client, "/extras/tokenize", {"input": "the sun"})

    by_text = (await embed(client, "the sun"))["data"]

    assert (await embed(client, tokens["tokens"]))["data"] == by_text
    assert (await embed(client, [tokens["tokens"]]))["data"] == by_text


async def test_usage_counts_the_tokens_of_all_inputs(client: Client) -> None:
    _, count = await post(client, "/extras/tokenize/count", {"input": "the sun rises"})

    answer = await embed(client, ["the sun rises"] * 3)

    assert answer["usage"] == {"prompt_tokens": 3 * count["count"], "total_tokens": 3 * count["count"]}


@pytest.mark.parametrize("field", [{"dimensions": None}, {"user": "me"}, {"model": "text-embedding-3-small"}])
async def test_neutral_fields_are_accepted(client: Client, field: dict[str, object]) -> None:
    answer = await embed(client, "the sun", **field)

    assert answer["model"] == "reference"
