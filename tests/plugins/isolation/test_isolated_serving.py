"""A server with ``--isolate``: the requests of a model that crashes are told to come again, others notice nothing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from jan_ort.serving.generative import GenerativeModel
from tests.backends.plugins import Plugins
from tests.http.handlers.serving import (
    COMPLETIONS,
    EMBEDDINGS,
    Client,
    embedding_model,
    engine_of,
    events,
    loaded_models,
    post,
    serving,
    stream,
    until,
)
from tests.plugins.isolation.processes import host_of, hosts
from tests.serving.several import LOAD, UNLOAD, change, copied, statuses

CRASH = "import ctypes; ctypes.string_at(0)"
STORY = {"model": "bob", "prompt": "The river", "max_tokens": 80, "min_tokens": 80, "seed": 3}
SHORT = {"model": "ada", "prompt": "Hello", "max_tokens": 4, "temperature": 0}
POISON = SHORT | {"prompt": "!"}


def two_models(plugins: Plugins, folder: Path, *, session: str = "", backend: str = "", **given: Any) -> Any:
    """Serve ada and bob, each in a process of its own, over the faulty backend."""
    plugins.install_backend("faulty", session=session, backend=backend)
    return serving(backend="faulty", model=f"{copied(folder, 'ada')},{copied(folder, 'bob')}", isolate=True, **given)


def texts(parts: list[Any]) -> list[str]:
    assert parts[-1] == "[DONE]"
    return [part["choices"][0]["text"] for part in parts[:-1]]


async def served_again(client: Client, path: str, body: Any) -> Any:
    """Return the answer once the model is back."""
    async with asyncio.timeout(60):
        while (answered := await post(client, path, body))[0] == 503:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert answered[0] == 200, answered
    return answered[1]


@pytest.mark.parametrize("crash", [CRASH, "os._exit(5)"])
async def test_a_crash_in_a_step_is_told_to_its_models_requests_and_to_no_other(
    plugins: Plugins, tmp_path: Path, crash: str
) -> None:
    async with two_models(plugins, tmp_path, session=f"def fault(self, output):\n    {crash}") as app:
        client = app.test_client()
        story = texts(await stream(client, COMPLETIONS, STORY))
        before = (await post(client, COMPLETIONS, SHORT))[1]["choices"]

        other = asyncio.create_task(stream(client, COMPLETIONS, STORY))
        lost = await client.post(COMPLETIONS, json=POISON)
        assert (await client.get("/health")).status_code == 200
        after = (await served_again(client, COMPLETIONS, SHORT))["choices"]

        error = (await lost.get_json())["error"]
        assert (lost.status_code, error["code"]) == (503, "device_lost")
        assert int(lost.headers["Retry-After"]) >= 1
        assert "the process of backend 'faulty'" in error["message"]
        assert texts(await other) == story
        assert after == before
        assert len(hosts()) == 2
    assert hosts() == []


async def test_every_request_of_a_model_that_crashes_is_told_running_streamed_or_queued(
    plugins: Plugins, tmp_path: Path
) -> None:
    crash = f"def step(self, batch):\n    if max(self.lengths) > 40:\n        {CRASH}\n    return super().step(batch)"
    long = STORY | {"model": "ada", "max_tokens": 400, "min_tokens": 400}
    async with two_models(plugins, tmp_path, session=crash, num_slots=2) as app:
        client = app.test_client()
        streamed = await client.post(COMPLETIONS, json=long | {"stream": True})

        answers = await asyncio.gather(*(post(client, COMPLETIONS, long) for _ in range(3)))  # two of them wait
        text = await streamed.get_data(as_text=True)

    assert [(status, answer["error"]["code"]) for status, answer in answers] == [(503, "device_lost")] * 3
    assert any("device_lost" in str(each) for each in events(text))


async def test_a_crash_while_embedding(plugins: Plugins, tmp_path: Path) -> None:
    fault = "def embed(self, batch):\n    33 in batch[0] and os._exit(5)\n    return super().embed(batch)"
    plugins.install_backend("faulty", session=fault)
    models = {"model": copied(tmp_path, "bob"), "embedding_model": copied(tmp_path, "ada", task="embed")}
    async with serving(backend="faulty", isolate=True, **models) as app:
        client = app.test_client()
        before = (await post(client, EMBEDDINGS, {"input": "Hello"}))[1]["data"]
        story = texts(await stream(client, COMPLETIONS, STORY))

        other = asyncio.create_task(stream(client, COMPLETIONS, STORY))
        lost = await client.post(EMBEDDINGS, json={"input": "!"})
        after = (await served_again(client, EMBEDDINGS, {"input": "Hello"}))["data"]

        assert (lost.status_code, int(lost.headers["Retry-After"])) == (503, 5)
        assert after == before
        assert texts(await other) == story


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not stopped there")
async def test_a_process_that_is_stopped_does_not_hold_the_end_up(plugins: Plugins, tmp_path: Path) -> None:
    async with two_models(plugins, tmp_path) as app:
        for each in hosts():
            each.suspend()

        async with asyncio.timeout(30):
            assert await asyncio.to_thread(engine_of(app).close, 600)


@pytest.mark.parametrize("is_noticed", [False, True])
async def test_a_process_that_ends_while_idle_costs_no_request(
    plugins: Plugins, tmp_path: Path, is_noticed: bool
) -> None:
    async with two_models(plugins, tmp_path) as app:
        client = app.test_client()
        before = (await post(client, COMPLETIONS, SHORT))[1]["choices"]

        killed = [model.engine._runner.session for model in loaded_models(app) if isinstance(model, GenerativeModel)]
        await kill_all(killed)
        if is_noticed:
            await until(lambda: len(hosts()) == 2)  # without a request
        answers = await asyncio.gather(*(post(client, COMPLETIONS, SHORT) for _ in range(3)))

        assert [(status, answer["choices"]) for status, answer in answers] == [(200, before)] * 3
        await until(lambda: len(hosts()) == 2)


async def kill_all(sessions: list[Any]) -> None:
    """Kill the processes of sessions, and wait until that can be known: a thread may outlive the first one a little."""
    for each in sessions:
        host_of(each).kill()
    await until(lambda: all(each.loss() is not None for each in sessions))


async def test_an_embedder_that_ends_while_idle_costs_no_request(plugins: Plugins, tmp_path: Path) -> None:
    plugins.install_backend("faulty")
    models = {"model": None, "embedding_model": copied(tmp_path, "ada", task="embed")}
    async with serving(backend="faulty", isolate=True, **models) as app:
        client = app.test_client()
        before = (await post(client, EMBEDDINGS, {"input": "Hello"}))[1]["data"]

        await kill_all([embedding_model(app).session._session])  # type: ignore[attr-defined]

        status, answer = await post(client, EMBEDDINGS, {"input": "Hello"})
        assert (status, answer["data"]) == (200, before)


async def test_a_crash_while_opening_is_that_models_failure(plugins: Plugins, tmp_path: Path) -> None:
    crash = f"def open(self, model_dir, options):\n    if model_dir.name == 'ada':\n        {CRASH}\n"
    opens = crash + "    return FaultySession(options.num_slots, options.context_length or 512)"
    async with two_models(plugins, tmp_path, backend=opens, load="request") as app:
        client = app.test_client()
        story = texts(await stream(client, COMPLETIONS, STORY))

        other = asyncio.create_task(stream(client, COMPLETIONS, STORY))
        failed = await client.post(COMPLETIONS, json=SHORT)

        error = (await failed.get_json())["error"]
        assert (failed.status_code, error["code"]) == (503, "model_failed")
        assert "Retry-After" in failed.headers
        assert "was ended by signal SIGSEGV" in error["message"]
        assert texts(await other) == story
        assert await statuses(client) == {"ada": "failed", "bob": "loaded"}


async def test_a_crash_while_closing_is_an_unload_like_any_other(plugins: Plugins, tmp_path: Path) -> None:
    async with two_models(plugins, tmp_path, session=f"def close(self):\n    {CRASH}") as app:
        client = app.test_client()
        story = texts(await stream(client, COMPLETIONS, STORY))

        other = asyncio.create_task(stream(client, COMPLETIONS, STORY))
        assert await change(client, UNLOAD, "ada") == {"ada": "unloaded"}
        assert len(hosts()) == 1
        assert await change(client, LOAD, "ada") == {"ada": "loaded"}

        assert (await post(client, COMPLETIONS, SHORT))[0] == 200
        assert texts(await other) == story


async def test_the_process_that_hangs_is_gone_when_the_server_has_stopped(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = "def fault(self, output):\n    time.sleep(600)\ndef embed(self, batch):\n    time.sleep(600)"
    plugins.install_backend("faulty", session=hang)
    models = {"model": copied(tmp_path, "bob"), "embedding_model": copied(tmp_path, "ada", task="embed")}
    monkeypatch.setattr("jan_ort.engine.engine.Engine.close.__defaults__", (0.2,))
    monkeypatch.setattr("jan_ort.serving.encoding.CLOSE_S", 0.2)
    async with serving(backend="faulty", isolate=True, **models) as app:
        asked = [
            asyncio.create_task(post(app.test_client(), path, body))
            for path, body in ((COMPLETIONS, POISON | {"model": "bob"}), (EMBEDDINGS, {"input": "a"}))
        ]
        await until(lambda: is_busy(app))

    await asyncio.gather(*asked, return_exceptions=True)
    assert hosts() == []


def is_busy(app: Quart) -> bool:
    return bool(embedding_model(app).queued) and engine_of(app).num_queued == 1
