"""Models that are loaded when the first request asks for them, and those that cannot be."""

from __future__ import annotations

import asyncio
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from jan_ort.serving import resident as resident_module
from jan_ort_backends import OpenOptions
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from tests.http.handlers.serving import COMPLETIONS, EMBEDDINGS, post, server_of, serving, until
from tests.serving.several import LOAD, change, copied, listed, statuses

SHORT: dict[str, Any] = {"max_tokens": 1}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that are opened; each takes a fifth of a second."""
    names: list[str] = []
    open_it = ReferenceBackend.open

    def slowly(backend: ReferenceBackend, model_dir: Path, options: OpenOptions) -> ReferenceSession:
        names.append(model_dir.name)
        time.sleep(0.2)
        return open_it(backend, model_dir, options)

    monkeypatch.setattr(ReferenceBackend, "open", slowly)
    return names


async def test_a_model_is_loaded_by_the_first_request_for_it(tmp_path: Path, opened: list[str]) -> None:
    models = [copied(tmp_path, "ada"), copied(tmp_path, "bob")]
    async with serving(model=models, load="request", context_length=100) as app:
        client = app.test_client()
        health = await client.get("/health")
        before = await listed(client)
        status, answer = await post(client, COMPLETIONS, SHORT | {"model": "bob"})
        after = await statuses(client)

    assert (health.status_code, status, answer["model"]) == (200, 200, "bob")
    assert before["ada"]["status"] == before["bob"]["status"] == "unloaded"
    assert (before["bob"]["context_length"], before["bob"]["backend"], before["bob"]["device"]) == (
        100,
        "reference",
        None,
    )
    assert after == {"ada": "unloaded", "bob": "loaded"}
    assert opened == ["bob"]


async def test_requests_that_come_together_share_one_load(tmp_path: Path, opened: list[str]) -> None:
    async with serving(model=copied(tmp_path, "ada"), load="request") as app:
        client = app.test_client()
        requests = [asyncio.create_task(post(client, COMPLETIONS, SHORT)) for _ in range(5)]
        await until(lambda: bool(opened))
        during = await statuses(client)
        answers = [(await request)[0] for request in requests]

    assert during == {"ada": "loading"}
    assert answers == [200] * 5
    assert opened == ["ada"]


async def test_more_requests_than_may_wait_are_429(tmp_path: Path, opened: list[str]) -> None:
    async with serving(model=copied(tmp_path, "ada"), load="request", max_queued=2) as app:
        client = app.test_client()
        waiting = [asyncio.create_task(post(client, "/extras/tokenize", {"input": "a"})) for _ in range(2)]
        await until(lambda: bool(opened))
        status, answer = await post(client, "/extras/tokenize", {"input": "a"})
        others = [(await request)[0] for request in waiting]

    assert (status, answer["error"]["code"]) == (429, "queue_full")
    assert others == [200, 200]


async def test_a_request_that_leaves_while_it_waits_stops_no_load(tmp_path: Path, opened: list[str]) -> None:
    async with serving(model=copied(tmp_path, "ada"), load="request") as app:
        client = app.test_client()
        leaving, staying = (asyncio.create_task(post(client, COMPLETIONS, SHORT)) for _ in range(2))
        await until(lambda: bool(opened))
        leaving.cancel()
        status, _ = await staying
        resident = server_of(app).roster.residents[0]

        assert status == 200
        assert not resident.is_busy
    assert opened == ["ada"]


async def test_a_model_that_cannot_be_loaded_is_503_and_the_others_live(tmp_path: Path) -> None:
    models = [copied(tmp_path, "ada"), copied(tmp_path, "bob")]
    async with serving(model=models, load="request") as app:
        client = app.test_client()
        (tmp_path / "ada" / "config.json").rename(tmp_path / "config.json")
        status, answer = await post(client, COMPLETIONS, SHORT | {"model": "ada", "stream": True})
        other, _ = await post(client, COMPLETIONS, SHORT | {"model": "bob"})
        health = await client.get("/health")
        described = (await listed(client))["ada"]

    assert (status, answer["error"]["code"], answer["error"]["param"]) == (503, "model_failed", "model")
    assert "'ada'" in answer["error"]["message"]
    assert "config.json" in answer["error"]["message"]
    assert (other, health.status_code) == (200, 200)
    assert described["status"] == "failed"
    assert "config.json" in described["error"]


async def test_a_failed_load_is_tried_again_after_a_while_or_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(model=copied(tmp_path, "ada"), load="request") as app:
        client = app.test_client()
        (tmp_path / "ada" / "config.json").rename(tmp_path / "config.json")
        first, _ = await post(client, COMPLETIONS, SHORT)
        told = await client.post(LOAD, json={"model": "ada"})
        (tmp_path / "config.json").rename(tmp_path / "ada" / "config.json")
        too_soon, _ = await post(client, COMPLETIONS, SHORT)
        monkeypatch.setattr(resident_module, "RETRY_S", 0.0)
        later, _ = await post(client, COMPLETIONS, SHORT)

    assert (first, told.status_code, told.headers["Retry-After"], too_soon, later) == (503, 503, "5", 503, 200)


async def test_a_model_that_cannot_be_converted_is_listed_as_failed(tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(b"GGUF")
    models = [copied(tmp_path, "ada"), str(tmp_path / "cut.gguf")]
    async with serving(model=models, load="request", cache_dir=str(tmp_path / "cache")) as app:
        client = app.test_client()
        found = await statuses(client)
        status, _ = await post(client, COMPLETIONS, SHORT | {"model": str(tmp_path / "cut.gguf")})
        other, _ = await post(client, COMPLETIONS, SHORT | {"model": "ada"})

    assert found == {"ada": "unloaded", str(tmp_path / "cut.gguf"): "failed"}
    assert (status, other) == (503, 200)


async def test_what_is_to_be_loaded_at_the_start_and_cannot_be_keeps_the_server_from_serving(tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(b"GGUF")
    models = [copied(tmp_path, "ada"), str(tmp_path / "cut.gguf")]
    async with serving(model=models, cache_dir=str(tmp_path / "cache")) as app:
        health = await app.test_client().get("/health")

    assert health.status_code == 503
    assert "cut.gguf" in (await health.get_json())["error"]["message"]


async def test_loading_without_a_name_loads_all(tmp_path: Path, opened: list[str]) -> None:
    models = [copied(tmp_path, "ada"), copied(tmp_path, "eve", task="embed")]
    async with serving(model=models, load="request") as app:
        client = app.test_client()
        one = await change(client, LOAD, "eve")
        both = await change(client, LOAD)
        status, _ = await post(client, EMBEDDINGS, {"input": "a"})

    assert one == {"eve": "loaded"}
    assert both == {"ada": "loaded", "eve": "loaded"}
    assert status == 200
    assert sorted(opened) == ["ada", "eve"]


async def test_a_server_that_stops_while_it_loads_answers_503(tmp_path: Path, opened: list[str]) -> None:
    async with serving(model=copied(tmp_path, "ada"), load="request") as app:
        waiting = asyncio.create_task(post(app.test_client(), COMPLETIONS, SHORT))
        await until(lambda: bool(opened))
        await server_of(app).stop()
        status, answer = await waiting

    assert (status, answer["error"]["code"]) == (503, "shutting_down")


async def test_a_load_that_failed_holds_nothing_of_what_was_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[weakref.ref[ReferenceSession]] = []

    def half_way(backend: ReferenceBackend, model_dir: Path, options: OpenOptions) -> ReferenceSession:
        session = ReferenceSession(options.num_slots, 64)
        loaded.append(weakref.ref(session))
        try:
            raise MemoryError("no room for the cache")
        except MemoryError as error:
            raise ValueError("it cannot be warmed up") from error

    monkeypatch.setattr(ReferenceBackend, "open", half_way)
    async with serving(model=copied(tmp_path, "ada"), load="request") as app:
        status, answer = await post(app.test_client(), COMPLETIONS, SHORT)

        assert (status, "cannot be warmed up" in answer["error"]["message"]) == (503, True)
        assert [session() for session in loaded] == [None]


@pytest.mark.parametrize(
    ("task", "name", "spoiled"),
    [
        ("generate", "tokenizer.json", "{}"),
        ("generate", "chat_template.jinja", "{% if %}"),
        ("embed", "tokenizer.json", "{}"),
    ],
)
async def test_the_session_of_a_model_that_cannot_be_used_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, name: str, spoiled: str
) -> None:
    closed: list[ReferenceSession] = []
    monkeypatch.setattr(ReferenceSession, "close", lambda session: closed.append(session))
    model = copied(tmp_path, "ada", task=task)
    (tmp_path / "ada" / name).write_text(spoiled)
    async with serving(model=model, load="request") as app:
        response = await app.test_client().post(LOAD, json={})

    assert (response.status_code, len(closed)) == (503, 1)
