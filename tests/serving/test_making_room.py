"""With ``--load request`` the least recently used models leave where another one needs their memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from jan_ort_backends.memory import MemoryNeed
from jan_ort_backends.reference import ReferenceBackend
from tests.http.handlers.serving import COMPLETIONS, post, serving
from tests.http.handlers.test_leaving import ENDLESS, begin, slow_down
from tests.serving.several import copied, statuses

NAMES = ("ada", "bob", "cyd")
FOR_TWO_MB = 2200


@pytest.fixture(autouse=True)
def a_gigabyte_each(monkeypatch: pytest.MonkeyPatch) -> None:
    def need(self: ReferenceBackend, model_dir: Path, options: Any) -> MemoryNeed:
        return MemoryNeed(2**30, 2**10 * (options.context_length or 2**16))

    monkeypatch.setattr(ReferenceBackend, "memory_need", need, raising=False)


@asynccontextmanager
async def pool(directory: Path, **given: Any) -> AsyncIterator[Quart]:
    """Serve three models of which two fit."""
    models = tuple(copied(directory, name) for name in NAMES)
    settings = {"model": models, "load": "request", "memory_limit_mb": FOR_TWO_MB} | given
    async with serving(**settings) as app:
        yield app


async def ask(app: Quart, *names: str) -> list[int]:
    """Ask models in turn, and return the statuses of the answers."""
    asked = [await post(app.test_client(), COMPLETIONS, {"model": each, "max_tokens": 1}) for each in names]
    return [status for status, _ in asked]


async def loaded(app: Quart) -> set[str]:
    return {name for name, status in (await statuses(app.test_client())).items() if status == "loaded"}


async def test_the_least_recently_used_model_leaves_for_another(tmp_path: Path) -> None:
    async with pool(tmp_path) as app:
        answers = await ask(app, "ada", "bob", "ada", "cyd")

        assert answers == [200] * 4
        assert await loaded(app) == {"ada", "cyd"}


async def test_a_model_that_is_used_stays_and_the_other_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool(tmp_path) as app:
        await ask(app, "ada")
        slow_down(app, monkeypatch)
        stream = await begin(app.test_client(), COMPLETIONS, ENDLESS | {"stream": True, "model": "ada"})
        await stream.receive()
        await ask(app, "bob", "cyd")
        during = await loaded(app)
        await stream.disconnect()

    assert during == {"ada", "cyd"}


async def test_a_request_is_told_where_all_that_is_loaded_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pool(tmp_path, memory_limit_mb=1500) as app:
        await ask(app, "ada")
        slow_down(app, monkeypatch)
        stream = await begin(app.test_client(), COMPLETIONS, ENDLESS | {"stream": True, "model": "ada"})
        await stream.receive()
        status, body = await post(app.test_client(), COMPLETIONS, {"model": "bob", "max_tokens": 1})
        await stream.disconnect()

    assert status == 503
    assert "needs 1.1 GB" in body["error"]["message"]


async def test_a_model_alone_in_memory_leaves_rather_than_that_the_next_is_made_smaller(tmp_path: Path) -> None:
    async with pool(tmp_path, memory_limit_mb=1024 + 64 + 1024 + 32) as app:
        await ask(app, "ada", "bob")

        assert await loaded(app) == {"bob"}


async def test_models_that_were_loaded_at_the_start_stay(tmp_path: Path) -> None:
    async with pool(tmp_path, load="start", model=tuple(copied(tmp_path / "own", each) for each in NAMES[:2])) as app:
        await ask(app, "ada", "bob")

        assert await loaded(app) == {"ada", "bob"}
