"""What an orchestrator asks: /livez and /readyz, and how far a start has come."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from jan_ort.ground.progress import Progress
from jan_ort.http.app import create_app
from jan_ort.serving.loading import ModelLoader
from tests.http.handlers.serving import Client, engine_of, reference_settings, server_of, serving, until

PROBES = ("/livez", "/readyz", "/health")


async def statuses_of(client: Client) -> list[int]:
    return [(await client.get(path)).status_code for path in PROBES]


async def test_a_start_is_alive_not_ready_and_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    app, told = create_app(reference_settings()), []
    find = ModelLoader.find

    def slowly(loader: ModelLoader, choice: Any, progress: Progress) -> Any:
        if not told:
            progress("converting ada", 0.421)
            told.append(choice)
            while len(told) == 1:
                pass
        return find(loader, choice, progress)

    monkeypatch.setattr(ModelLoader, "find", slowly)
    async with app.test_app():
        client = app.test_client()
        await until(lambda: bool(told))
        during = await statuses_of(client)
        error = (await (await client.get("/readyz")).get_json())["error"]
        told.append(None)
        await until(lambda: server_of(app).status == "ready")
        after = await statuses_of(client)

    assert (during, after) == ([200, 503, 503], [200, 200, 200])
    assert error["message"] == "the server is loading: converting ada, 42%"


async def test_what_only_a_new_process_mends_is_not_alive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with serving() as app:
        monkeypatch.setattr(engine_of(app), "_failure", RuntimeError("lost"))
        engine = await statuses_of(app.test_client())
        monkeypatch.undo()

    def fail(*_: Any) -> None:
        raise OSError("no such file")

    monkeypatch.setattr(ModelLoader, "find", fail)
    async with serving() as app:
        start = await statuses_of(app.test_client())

    assert engine == start == [503, 503, 503]


async def test_probes_need_no_key_and_leave_no_line(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(api_key="right") as app:
        await server_of(app).stop()
        with caplog.at_level(logging.INFO):
            found = await statuses_of(app.test_client())

    assert found == [200, 503, 503]
    assert [record for record in caplog.records if record.name == "jan_ort.http.error_answers"] == []
