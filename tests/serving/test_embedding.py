"""Embeddings of several requests: each has its turn, and a faulty input fails its own request only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from quart import Quart

from jan_ort.serving.encoding import MAX_PART_TOKENS
from jan_ort_backends import BackendError, OutOfMemory
from tests.http.handlers.serving import EMBEDDINGS, embedding_model, post, server_of, serving, until
from tests.http.handlers.test_leaving import begin

Batch = Sequence[NDArray[np.int64]]
MANY = [f"{'word ' * (at % 7)}{at}" for at in range(2000)]


def watched(app: Quart, monkeypatch: pytest.MonkeyPatch, before: Callable[[Batch], None]) -> list[int]:
    """Call ``before`` with every batch that the backend gets, and return the list of their sizes."""
    session = embedding_model(app).session._session._session  # type: ignore[attr-defined]
    embed, sizes = session.embed, []

    def watching(batch: Batch) -> Any:
        sizes.append(len(batch))
        before(batch)
        return embed(batch)

    monkeypatch.setattr(session, "embed", watching)
    return sizes


async def test_one_input_does_not_wait_for_2000_of_another_request(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, gate = threading.Event(), threading.Event()

    def hold(batch: Batch) -> None:
        begun.set()
        assert gate.wait(20)

    async with serving() as app:
        client = app.test_client()
        sizes = watched(app, monkeypatch, hold)
        many = asyncio.create_task(post(client, EMBEDDINGS, {"input": MANY}))
        await until(begun.is_set)
        one = asyncio.create_task(post(client, EMBEDDINGS, {"input": "Hello"}))
        await until(lambda: len(embedding_model(app).queued) == 2)
        gate.set()
        status, _ = await one
        num_before = len(sizes)
        _, answer = await many

    assert status == 200
    assert num_before <= 4
    assert len(answer["data"]) == len(MANY)
    assert sum(sizes) == len(MANY) + 1


async def test_parts_are_answered_in_the_order_of_the_inputs() -> None:
    texts = MANY[:400]
    async with serving() as app:
        client = app.test_client()
        _, together = await post(client, EMBEDDINGS, {"input": texts})
        alone = [(await post(client, EMBEDDINGS, {"input": text}))[1] for text in texts[::40]]

    vectors = [each["embedding"] for each in together["data"]]
    assert vectors[::40] == [each["data"][0]["embedding"] for each in alone]


async def test_a_client_that_goes_has_no_more_parts_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, gate = threading.Event(), threading.Event()

    def hold(batch: Batch) -> None:
        assert sum(map(len, batch)) <= MAX_PART_TOKENS
        begun.set()
        assert gate.wait(20)

    async with serving() as app:
        sizes = watched(app, monkeypatch, hold)
        connection = await begin(app.test_client(), EMBEDDINGS, {"input": MANY})
        await until(begun.is_set)

        await connection.disconnect()
        await until(lambda: server_of(app).roster.residents[1]._num_users == 0)
        gate.set()
        await until(lambda: not embedding_model(app).queued)

    assert len(sizes) == 1


@pytest.mark.parametrize("error", [OutOfMemory("row 1 is too much"), RuntimeError("a bug"), BackendError("row 1")])
async def test_a_faulty_input_fails_its_own_request_only(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(batch: Batch) -> None:
        if any(13 in token_ids for token_ids in batch):
            raise error

    async with serving() as app:
        client = app.test_client()
        watched(app, monkeypatch, fail)
        inputs: list[Any] = [[[65, 66], [67]], [[65], [13, 14], [66]], [[68]], [[13]]]
        answers = await asyncio.gather(*(post(client, EMBEDDINGS, {"input": each}) for each in inputs))

    assert [status for status, _ in answers] == [200, 500, 200, 500]
    assert answers[1][1]["error"]["code"] == "backend_failed"


async def test_a_batch_that_fails_together_is_computed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(batch: Batch) -> None:
        if len(batch) > 1:
            raise OutOfMemory("two are too many")

    async with serving() as app:
        client = app.test_client()
        _, expected = await post(client, EMBEDDINGS, {"input": ["a", "bcd", "e"]})
        sizes = watched(app, monkeypatch, fail)
        status, answer = await post(client, EMBEDDINGS, {"input": ["a", "bcd", "e"]})

    assert (status, answer["data"]) == (200, expected["data"])
    assert sizes == [3, 1, 1, 1]


async def test_a_vector_that_is_no_numbers_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as app:
        client = app.test_client()
        session = embedding_model(app).session._session._session  # type: ignore[attr-defined]
        embed = session.embed

        def spoiled(batch: Batch) -> Any:
            vectors = embed(batch)
            vectors[[13 in token_ids for token_ids in batch]] = np.nan
            return vectors

        monkeypatch.setattr(session, "embed", spoiled)
        answers = [await post(client, EMBEDDINGS, {"input": each}) for each in ([[65], [66]], [[65], [13]])]

    assert [status for status, _ in answers] == [200, 500]
    assert "vectors are not finite" in answers[1][1]["error"]["message"]
