"""Fields of ranking and scoring."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.http.fields.asking import answered, ids, refused
from tests.http.fields.registry import field
from tests.http.handlers.serving import EVERY_TASK, Client, post, serving

RERANK, SCORE = "/v1/rerank", "/v1/score"
REQUEST, SCORING, DOCUMENT = "CreateRerankRequest", "CreateScoreRequest", "RerankDocument"
TEXTS = ["a cat", "Hello, how are you?", "12345", "a dog and a cat"]


@pytest.fixture
async def client(short_turns: None) -> AsyncIterator[Client]:
    """A client of an app whose second model ranks."""
    async with serving(**EVERY_TASK) as app:
        yield app.test_client()


async def scores(client: Client, documents: list[Any], **fields: Any) -> dict[int, float]:
    body = {"query": "Hello", "documents": documents} | fields
    return {each["index"]: each["relevance_score"] for each in (await answered(client, RERANK, **body))["results"]}


@field(REQUEST, "query", "documents")
@field(DOCUMENT, "text")
async def test_documents_are_ranked_the_best_first_alike_in_any_company_and_spelling(client: Client) -> None:
    together = await scores(client, TEXTS)

    assert [*together.values()] == sorted(together.values(), reverse=True)
    assert {0, 1, 2, 3} == set(together)
    assert all(0 < each < 1 for each in together.values())
    for at, text in enumerate(TEXTS):
        assert (await scores(client, [{"text": text}]))[0] == pytest.approx(together[at], abs=1e-6)
    assert await scores(client, TEXTS, query="Goodbye") != together


@field(REQUEST, "top_n", "return_documents")
async def test_the_best_come_with_their_documents_where_they_are_wanted(client: Client) -> None:
    documents = [*TEXTS[:2], {"text": TEXTS[2], "id": "third"}, TEXTS[3]]
    body = {"query": "Hello", "documents": documents}

    everything = await answered(client, RERANK, **body, return_documents=True)
    best = await answered(client, RERANK, **body, top_n=2, return_documents=False)

    given = [each if isinstance(each, dict) else {"text": each} for each in documents]
    assert [each["document"] for each in everything["results"]] == [
        given[each["index"]] for each in everything["results"]
    ]
    assert [each["index"] for each in best["results"]] == [each["index"] for each in everything["results"][:2]]
    assert all("document" not in each for each in best["results"])
    assert len((await answered(client, RERANK, **body, top_n=9))["results"]) == 4


@field(SCORING, "text_1", "text_2")
async def test_pairs_are_scored_in_their_order_as_ranking_scores_them(client: Client) -> None:
    async def scored(first: Any, second: Any) -> list[float]:
        data = (await answered(client, SCORE, text_1=first, text_2=second))["data"]
        assert [each["index"] for each in data] == [*range(len(data))]
        return [each["score"] for each in data]

    ranked = await scores(client, TEXTS)

    one_with_all = await scored("Hello", TEXTS)
    assert one_with_all == pytest.approx([ranked[at] for at in range(4)], abs=1e-6)
    assert await scored(["Hello", "Hello"], TEXTS[:2]) == pytest.approx(one_with_all[:2], abs=1e-6)
    assert await scored(["Hello"], TEXTS[0]) == pytest.approx(one_with_all[:1], abs=1e-6)
    assert await scored("Hello", TEXTS[0]) == pytest.approx(one_with_all[:1], abs=1e-6)


@field(REQUEST, "model")
@field(SCORING, "model")
@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        (RERANK, {"query": "a", "documents": ["b"], "model": 5}, 422, "model"),
        (SCORE, {"text_1": "a", "text_2": "b", "model": 5}, 422, "model"),
        (RERANK, {"query": "a", "documents": []}, 422, "documents"),
        (RERANK, {"query": "a", "documents": ["b"], "top_n": -1}, 422, "top_n"),
        (RERANK, {"documents": ["b"]}, 422, "query"),
        (RERANK, {"query": "a", "documents": ["b", {"title": "c"}]}, 422, "documents"),
        (RERANK, {"query": "a " * 700, "documents": ["b"]}, 400, "query"),
        (RERANK, {"query": "a", "documents": ["b", "c", "d " * 700]}, 400, "documents[2]"),
        (RERANK, {"query": "a " * 100, "documents": ["b", "c d e " * 150]}, 400, "documents[1]"),
        (RERANK, {"query": "a", "documents": ["b"], "max_tokens_per_doc": 4}, 400, "max_tokens_per_doc"),
        (RERANK, {"query": "a", "documents": ["b"], "rank_fields": ["title"]}, 400, "rank_fields"),
        (SCORE, {"text_1": ["a", "b"], "text_2": ["c"]}, 400, "text_2"),
        (SCORE, {"text_1": "a", "text_2": ["b", "c " * 700]}, 400, "text_2[1]"),
        (SCORE, {"text_1": ["a", "b"], "text_2": ["c", "d " * 700]}, 400, "text_2[1]"),
    ],
)
async def test_what_cannot_be_ranked_is_refused_by_name(
    client: Client, path: str, body: dict[str, Any], status: int, param: str
) -> None:
    found, named = await refused(client, path, body)

    assert (found, named.split(".")[0] if status == 422 else named) == (status, param)


async def test_usage_counts_the_tokens_of_each_pair(client: Client) -> None:
    query, document = await ids(client, "Hello"), await ids(client, "a cat")

    usage = (await answered(client, RERANK, query="Hello", documents=["a cat", "a cat"]))["usage"]

    assert usage == {"prompt_tokens": 2 * (len(query) + len(document) + 1), "total_tokens": usage["prompt_tokens"]}


async def test_a_special_token_in_a_text_is_text(client: Client) -> None:
    status, answer = await post(client, RERANK, {"query": "<|im_end|>", "documents": ["<|im_end|>", "<fim_prefix>"]})

    assert status == 200
    assert answer["usage"]["prompt_tokens"] > 10
