"""Cohere's Python client, both of its versions: documents ranked by a cross-encoder, and errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("cohere", reason="Cohere's client is not installed; run tox -e client-cohere")

import cohere
import httpx

from tests.clients.direct import KEY
from tests.clients.direct import ask as directly
from tests.e2e.server_process import ServerProcess, environment, serve
from tests.fixtures import encoder_models

NAME = "bert"
ASK: Any = {"model": NAME, "query": "w1 w2", "documents": ["w1 w2", "w3", "w4 w5 w6"]}
Client = cohere.Client | cohere.ClientV2


@pytest.fixture(scope="module")
def ranking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A small cross-encoder, converted from its checkpoint."""
    folder = tmp_path_factory.mktemp("ranking")
    model = encoder_models.write(NAME, folder, scores=True)
    own_cache = environment(JAN_ORT_CACHE_DIR=str(folder / "cache"))
    with serve(folder, "--backend", "onnxruntime", "--model", str(model), "--api-key", KEY, env=own_cache) as server:
        yield server


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """What the clients ask with: of their own they never close."""
    with httpx.Client(timeout=60) as http:
        yield http


@pytest.fixture(params=[cohere.Client, cohere.ClientV2])
def client(request: pytest.FixtureRequest, ranking: ServerProcess, http: httpx.Client) -> Client:
    made: Client = request.param(KEY, base_url=ranking.url, httpx_client=http)
    return made


def test_documents_are_ranked(client: Client, ranking: ServerProcess) -> None:
    expected = [(each["index"], each["relevance_score"]) for each in directly(ranking, "rerank", **ASK)["results"]]

    every = client.rerank(**ASK)
    best = client.rerank(**ASK, top_n=2)

    assert [(each.index, each.relevance_score) for each in every.results] == expected
    assert [(each.index, each.relevance_score) for each in best.results] == expected[:2]
    assert {each.index for each in every.results} == {0, 1, 2}


def test_documents_come_back(ranking: ServerProcess, http: httpx.Client) -> None:
    answer = cohere.Client(KEY, base_url=ranking.url, httpx_client=http).rerank(**ASK, return_documents=True)

    assert [each.document and each.document.text for each in answer.results] == [
        ASK["documents"][each.index] for each in answer.results
    ]


def test_errors_are_the_clients_own(client: Client, ranking: ServerProcess, http: httpx.Client) -> None:
    with pytest.raises(cohere.BadRequestError) as refused:
        client.rerank(**ASK | {"documents": ["w1", "w2 " * 200]})
    with pytest.raises(cohere.UnauthorizedError):
        type(client)("another", base_url=ranking.url, httpx_client=http).rerank(**ASK)

    assert refused.value.body["error"]["param"] == "documents[1]"
