"""Models leave the memory when nobody uses them, never while somebody does, and come back when they are asked for."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from jan_ort.serving import encoding
from jan_ort.serving.generative import GenerativeModel
from jan_ort_backends import OutOfMemory
from tests.http.handlers.serving import (
    COMPLETIONS,
    EMBEDDINGS,
    complete,
    embedding_model,
    engine_of,
    events,
    loaded_models,
    post,
    server_of,
    serving,
    until,
)
from tests.http.handlers.test_leaving import ENDLESS, begin, slow_down
from tests.serving.several import LOAD, UNLOAD, change, copied, statuses


async def endless_stream(app: Quart, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the connection of a slow stream that has begun."""
    slow_down(app, monkeypatch)
    connection = await begin(app.test_client(), COMPLETIONS, ENDLESS | {"stream": True})
    await connection.receive()
    return connection


async def test_an_idle_model_is_unloaded_and_comes_back_the_same(tmp_path: Path) -> None:
    async with serving(model=copied(tmp_path, "ada"), model_ttl_s=0.2) as app:
        client = app.test_client()
        first = await complete(client)
        await until(lambda: not loaded_models(app), timeout_s=5)
        await until(lambda: server_of(app).roster.residents[0].status == "unloaded")
        again = await complete(client)

    assert again["choices"] == first["choices"]


async def test_without_a_time_to_live_models_stay(tmp_path: Path) -> None:
    async with serving(model=copied(tmp_path, "ada")) as app:
        await asyncio.sleep(0.5)

        assert await statuses(app.test_client()) == {"ada": "loaded"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_is_kept_while_a_request_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    body = {"max_tokens": 40, "min_tokens": 40, "temperature": 0}
    async with serving(model=copied(tmp_path, "ada"), model_ttl_s=0.1) as app:
        client = app.test_client()
        expected = await complete(client, **body)
        slow_down(app, monkeypatch)
        response = await client.post(COMPLETIONS, json=body | {"prompt": "Hello", "stream": stream})
        text = await response.get_data(as_text=True)
        await until(lambda: not loaded_models(app), timeout_s=5)

    chunks = events(text)[:-1] if stream else [await response.get_json()]
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == expected["choices"][0]["text"]


async def test_unloading_waits_for_a_stream_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(model=copied(tmp_path, "ada")) as app:
        client = app.test_client()
        connection = await endless_stream(app, monkeypatch)
        unloading = asyncio.create_task(change(client, UNLOAD, "ada"))
        done, _ = await asyncio.wait({unloading}, timeout=0.3)
        during = await statuses(client)
        await connection.disconnect()
        after = await unloading

    assert not done
    assert (during, after) == ({"ada": "unloading"}, {"ada": "unloaded"})


async def test_requests_that_keep_coming_do_not_keep_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(model=copied(tmp_path, "ada")) as app:
        client = app.test_client()
        first_model = loaded_models(app)[0]
        connection = await endless_stream(app, monkeypatch)
        unloading = asyncio.create_task(change(client, UNLOAD))
        await until(lambda: server_of(app).roster.residents[0].status == "unloading")
        later = asyncio.create_task(post(client, COMPLETIONS, {"max_tokens": 1}))
        waited, _ = await asyncio.wait({later}, timeout=0.3)
        await connection.disconnect()
        await unloading
        status, _ = await later

        assert not waited
        assert status == 200
        assert loaded_models(app)[0] is not first_model


async def test_a_model_leaves_though_the_client_that_asked_for_it_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(model=copied(tmp_path, "ada")) as app:
        client = app.test_client()
        connection = await endless_stream(app, monkeypatch)
        asking = await begin(client, UNLOAD, {})
        await until(lambda: server_of(app).roster.residents[0].status == "unloading")
        await asking.disconnect()
        await connection.disconnect()

        await until(lambda: server_of(app).roster.residents[0].status == "unloaded")


async def test_a_stop_ends_what_still_runs_on_a_model_that_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(model=copied(tmp_path, "ada")) as app:
        _stream = await endless_stream(app, monkeypatch)  # a name keeps the connection open
        resident = server_of(app).roster.residents[0]
        leaving = resident.model
        unloading = asyncio.create_task(resident.unload())
        await until(lambda: resident.status == "unloading")

        await resident.close(grace_s=1.0)
        await asyncio.wait({unloading}, timeout=5)

        assert isinstance(leaving, GenerativeModel)
        assert leaving.engine.num_queued == 0
        assert unloading.done()


async def test_an_embedding_that_runs_keeps_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(model=copied(tmp_path, "eve", task="embed")) as app:
        client = app.test_client()
        request = asyncio.create_task(post(client, EMBEDDINGS, {"input": ["the sun rises " * 20] * 8}))
        await until(lambda: server_of(app).roster.residents[0].is_busy)
        after = await change(client, UNLOAD)
        status, _ = await request

    assert (status, after) == (200, {"eve": "unloaded"})


async def test_only_the_named_model_is_unloaded(tmp_path: Path) -> None:
    async with serving(model=[copied(tmp_path, "ada"), copied(tmp_path, "bob")]) as app:
        client = app.test_client()
        changed = await change(client, UNLOAD, "bob")
        after = await statuses(client)

    assert changed == {"bob": "unloaded"}
    assert after == {"ada": "loaded", "bob": "unloaded"}


async def test_a_request_during_an_unload_loads_the_model_again(tmp_path: Path) -> None:
    async with serving(model=copied(tmp_path, "ada")) as app:
        client, closing = app.test_client(), threading.Event()
        session = engine_of(app)._runner.session
        close = session.close
        session.close = lambda: (closing.wait(10), close())  # type: ignore[method-assign,assignment,return-value]
        unloading = asyncio.create_task(change(client, UNLOAD))
        await until(lambda: server_of(app).roster.residents[0].status == "unloading")
        request = asyncio.create_task(post(client, COMPLETIONS, {"max_tokens": 1}))
        await asyncio.sleep(0.05)
        closing.set()
        status, _ = await request
        await unloading

    assert status == 200


@pytest.mark.parametrize("path", [LOAD, UNLOAD])
async def test_a_model_is_named_exactly_even_if_it_is_the_only_one(tmp_path: Path, path: str) -> None:
    async with serving(model=copied(tmp_path, "ada")) as app:
        status, answer = await post(app.test_client(), path, {"model": "bob"})

    assert (status, answer["error"]["code"]) == (404, "model_not_found")
    assert "'ada'" in answer["error"]["message"]


async def test_unloading_twice_at_once_and_again_is_no_error(tmp_path: Path) -> None:
    async with serving(model=copied(tmp_path, "ada")) as app:
        client = app.test_client()
        together = tuple(await asyncio.gather(change(client, UNLOAD), change(client, UNLOAD)))
        again = await change(client, UNLOAD)

    assert together == ({"ada": "unloaded"}, {"ada": "unloaded"})
    assert again == {"ada": "unloaded"}


async def test_a_backend_that_fails_to_embed_is_named_as_the_one(tmp_path: Path) -> None:
    async with serving(model=copied(tmp_path, "eve", task="embed")) as app:
        client, model = app.test_client(), embedding_model(app)

        def fail(batch: object) -> None:
            raise OutOfMemory("no memory for 3 texts")

        model.session.embed = fail  # type: ignore[method-assign,assignment]
        status, answer = await post(client, EMBEDDINGS, {"input": "a"})

    assert (status, answer["error"]["code"]) == (500, "backend_failed")
    assert "no memory for 3 texts" in answer["error"]["message"]


async def test_an_embedding_that_hangs_does_not_keep_the_server_from_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(encoding, "CLOSE_S", 0.1)
    released, closed = threading.Event(), threading.Event()
    async with serving(model=copied(tmp_path, "eve", task="embed")) as app:
        session = embedding_model(app).session
        session.embed = lambda batch: released.wait()  # type: ignore[method-assign,assignment,return-value]
        session.close = closed.set  # type: ignore[method-assign]
        request = asyncio.create_task(post(app.test_client(), EMBEDDINGS, {"input": "a"}))
        await until(lambda: bool(embedding_model(app).queued))

        await server_of(app).stop()
        request.cancel()
        released.set()

    assert "eve is abandoned: its backend has not returned after 0.1 s" in caplog.text
    assert not closed.is_set(), "a session that is in use is not closed"


async def test_a_second_stop_waits_for_the_first(tmp_path: Path) -> None:
    async with serving(model=copied(tmp_path, "ada")) as app:
        server = server_of(app)
        model = loaded_models(app)[0]
        closings: list[None] = []
        model_close = model.close
        object.__setattr__(model, "close", lambda: (closings.append(None), model_close()))

        await asyncio.gather(server.stop(), server.stop())
        await server.stop()

    assert len(closings) == 1


async def test_an_embedding_session_is_closed_only_after_a_batch_whose_client_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as app:
        model, resident = embedding_model(app), server_of(app).roster.residents[1]
        order: list[str] = []
        finish = threading.Event()
        embed, close = model.session.embed, model.session.close

        def slow_embed(batch: Any) -> Any:
            order.append("embed begins")
            finish.wait(10)
            order.append("embed ends")
            return embed(batch)

        monkeypatch.setattr(model.session, "embed", slow_embed)
        monkeypatch.setattr(model.session, "close", lambda: (order.append("close"), close()))
        connection = await begin(app.test_client(), EMBEDDINGS, {"input": "Hello"})
        await until(lambda: order == ["embed begins"])
        await connection.disconnect()
        unloading = asyncio.create_task(resident.unload())
        await asyncio.wait({unloading}, timeout=0.3)
        order.append("finish")
        finish.set()
        await unloading

    assert order == ["embed begins", "finish", "embed ends", "close"]
