"""Clients that leave, and more clients than there is room for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from quart import Quart

from tests.http.handlers.serving import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    Client,
    embedding_model,
    engine_of,
    post,
    server_of,
    serving,
    until,
)

ENDLESS = {"max_tokens": 400, "min_tokens": 400}


def delayed(function: Callable[[Any], Any], seconds: float) -> Callable[[Any], Any]:
    def later(argument: Any) -> Any:
        time.sleep(seconds)
        return function(argument)

    return later


def slow_down(app: Quart, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.02) -> None:
    """Let every step take a while, so that a request is surely still running when the test looks at it."""
    session = engine_of(app)._runner.session
    monkeypatch.setattr(session, "step", delayed(session.step, seconds))


async def begin(client: Client, path: str, body: dict[str, Any]) -> Any:
    """Open a connection and send a request over it."""
    raw = json.dumps(body).encode()
    connection = client.request(path, method="POST", headers={"Content-Type": "application/json"})
    await connection.__aenter__()
    await connection.send(raw)
    await connection.send_complete()
    return connection


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_frees_its_slots(
    app: Quart, client: Client, monkeypatch: pytest.MonkeyPatch, path: str, stream: bool
) -> None:
    slow_down(app, monkeypatch)
    connection = await begin(client, path, ENDLESS | {"stream": stream, "n": 3})
    await until(lambda: engine_of(app).num_queued == 3)
    if stream:
        await connection.receive()

    await connection.disconnect()

    await until(lambda: engine_of(app).num_queued == 0, timeout_s=2)
    assert engine_of(app)._scheduler.slots.num_free == 8


async def test_a_client_that_leaves_before_the_first_chunk_frees_its_slot(
    app: Quart, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(app, monkeypatch, 0.3)
    connection = await begin(client, COMPLETIONS, ENDLESS | {"stream": True})
    await until(lambda: engine_of(app).num_queued == 1)

    await connection.disconnect()

    await until(lambda: engine_of(app).num_queued == 0, timeout_s=2)


async def test_the_others_go_on_when_one_leaves(app: Quart, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"prompt": "The sun", "max_tokens": 30, "min_tokens": 30, "temperature": 0}
    _, alone = await post(client, COMPLETIONS, body)
    slow_down(app, monkeypatch)
    connection = await begin(client, COMPLETIONS, ENDLESS | {"stream": True})
    other = asyncio.create_task(post(client, COMPLETIONS, body))
    await until(lambda: engine_of(app).num_queued == 2)

    await connection.disconnect()
    status, answer = await other

    assert status == 200
    assert answer["choices"] == alone["choices"]


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_full_queue_is_429_with_retry_after(monkeypatch: pytest.MonkeyPatch, path: str, stream: bool) -> None:
    async with serving(max_queued=1) as app:
        client = app.test_client()
        slow_down(app, monkeypatch)
        running = await begin(client, COMPLETIONS, ENDLESS | {"stream": True})
        await running.receive()

        response = await client.post(path, json={"stream": stream})
        error = (await response.get_json())["error"]
        await running.disconnect()

    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) >= 1
    assert (error["type"], error["code"]) == ("rate_limit_error", "queue_full")


async def test_an_idle_engine_takes_a_request_larger_than_the_queue() -> None:
    async with serving(max_queued=1) as app:
        status, answer = await post(app.test_client(), COMPLETIONS, {"n": 5})

    assert status == 200
    assert len(answer["choices"]) == 5


async def test_a_full_queue_of_embeddings_is_429(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(max_queued=1) as app:
        model = embedding_model(app)
        embed = model.session.embed
        monkeypatch.setattr(model.session, "embed", delayed(embed, 0.3))
        client = app.test_client()
        first = asyncio.create_task(post(client, EMBEDDINGS, {"input": "a"}))
        await until(lambda: bool(model.queued))

        second = await post(client, EMBEDDINGS, {"input": "a"})

        assert second[0] == 429
        assert (await first)[0] == 200


async def test_stopping_ends_a_stream_with_an_error_and_without_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as app:
        slow_down(app, monkeypatch)
        connection = await begin(app.test_client(), COMPLETIONS, ENDLESS | {"stream": True})
        received = await connection.receive()

        await server_of(app).stop()
        while b"error" not in received:
            received += await connection.receive()
        await connection.disconnect()

    assert received.split(b"\n\n")[-2].startswith(b'data: {"error":')
    assert b"shutting_down" in received


async def test_stopping_answers_503_to_what_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as app:
        slow_down(app, monkeypatch)
        waiting = asyncio.create_task(post(app.test_client(), COMPLETIONS, ENDLESS))
        await until(lambda: engine_of(app).num_queued == 1)

        await server_of(app).stop()
        status, answer = await waiting

    assert status == 503
    assert answer["error"]["code"] == "shutting_down"


async def test_stopping_answers_503_to_embeddings_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as app:
        model = embedding_model(app)
        embed = model.session.embed
        monkeypatch.setattr(model.session, "embed", delayed(embed, 0.2))
        client = app.test_client()
        requests = [asyncio.create_task(post(client, EMBEDDINGS, {"input": "a"})) for _ in range(3)]
        await until(lambda: len(model.queued) == 3)

        await server_of(app).stop()
        statuses = [(await request)[0] for request in requests]

    assert statuses == [200, 503, 503]
