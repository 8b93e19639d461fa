"""GET /status: what runs where, for whoever has a key; the log for the admin alone."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import pytest

from jan_ort.http.handlers import status as status_handler
from tests.http.handlers.serving import COMPLETIONS, Client, complete, engine_of, post, serving, until

KEY, ADMIN = "sk-of-status", "sk-of-the-admin"
BROWSER = {"Accept": "text/html,*/*;q=0.8"}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def state(client: Client, **headers: str) -> Any:
    response = await client.get("/status", headers=headers)
    assert response.status_code == 200, await response.get_data(as_text=True)
    return await response.get_json()


async def test_counts_and_devices_are_those_of_the_models(client: Client) -> None:
    answer = await complete(client, max_tokens=5)
    (model, embedding) = (found := await state(client))["models"]

    engine, usage = model["engine"], answer["usage"]
    assert (found["object"], found["status"], found["log"]) == ("status", "ready", None)
    assert (engine["num_generated_tokens"], engine["num_running"]) == (usage["completion_tokens"], 0)
    assert (engine["num_prompt_tokens"], engine["num_ended"]) == (usage["prompt_tokens"], {"length": 1})
    assert engine["first_token_s"] > 0
    assert engine["num_slots"] == 8
    assert model["metadata"]["device"]["used"]
    assert embedding["engine"] is None
    assert found["process"]["memory_bytes"] > 2**20
    assert found["since"] < found["time"]


async def test_what_runs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(num_slots=1) as app:
        client, engine = app.test_client(), engine_of(app)
        await state(client)  # the first one imports what tells of the process
        step = engine.step

        def slow_step() -> bool:
            time.sleep(0.05)
            return step()

        monkeypatch.setattr(engine, "step", slow_step)
        body = {"prompt": "a", "max_tokens": 20, "n": 2}
        running = asyncio.ensure_future(client.post(COMPLETIONS, json=body))
        await until(lambda: engine.load.num_running == 1)
        seen = (await state(client))["models"][0]
        await running

    assert (seen["engine"]["num_running"], seen["engine"]["num_waiting"], seen["is_busy"]) == (1, 1, True)
    assert 0 < seen["engine"]["cache_usage"] <= 1


async def test_the_last_errors_are_listed_without_what_was_said(client: Client) -> None:
    await post(client, COMPLETIONS, {"prompt": "the secret words", "model": "unknown", "n": -1})
    await post(client, COMPLETIONS, b"[")
    await client.get("/no/such/path/of/a/stranger")
    found = await state(client)

    assert [(each["method"], each["path"], each["status"]) for each in found["errors"]] == [
        ("POST", COMPLETIONS, 400),
        ("POST", COMPLETIONS, 400),
    ]
    assert "secret words" not in json.dumps(found)


@pytest.mark.parametrize(("key", "expected"), [(None, 401), ("wrong", 401), (KEY, 200), (ADMIN, 200)])
async def test_a_key_is_needed_where_one_is_set(key: str | None, expected: int) -> None:
    async with serving(api_key=KEY, admin_key=ADMIN) as app:
        client = app.test_client()
        logging.getLogger("jan_ort.test").warning("a line with %s in it", KEY)
        response = await client.get("/status", headers=bearer(key) if key else {})
        told = await response.get_json()
        page = await client.get("/status", headers=BROWSER)

    assert (response.status_code, page.status_code) == (expected, 200)
    assert page.content_type == "text/html; charset=utf-8"
    if key == ADMIN:
        assert [line.partition("jan_ort.test: ")[2] for line in told["log"] if "jan_ort.test" in line] == [
            "a line with *** in it"
        ]
    else:
        assert told.get("log") is None


async def test_other_machines_and_other_names_are_refused_without_a_key(client: Client) -> None:
    response = await client.get("/status", headers={"Host": "evil.example"}, scope_base={"client": ("127.0.0.1", 4711)})

    assert response.status_code == 401


async def test_nobody_reads_the_log_of_a_server_without_an_admin(client: Client) -> None:
    logging.getLogger("jan_ort.test").warning("anything")
    found = await state(client)

    assert (found["log"], found["log_needs"]) == (None, "admin_key_setting")


async def test_events_have_the_state_and_new_lines_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_handler, "INTERVAL_S", 0.02)
    monkeypatch.setattr(status_handler, "MAX_S", 0.5)
    async with serving(api_key=KEY, admin_key=ADMIN) as app:
        client = app.test_client()
        logging.getLogger("jan_ort.test").warning("before")
        asked = {"Accept": "text/event-stream"}
        reading = asyncio.ensure_future(client.get("/status", headers=asked | bearer(ADMIN)))
        await asyncio.sleep(0.1)
        logging.getLogger("jan_ort.test").warning("meanwhile")
        response = await reading
        frames = (await response.get_data(as_text=True)).strip().split("\n\n")
        plain = await client.get("/status", headers=asked | bearer(KEY))
        without = await plain.get_data(as_text=True)

    events = [json.loads(each.partition("data: ")[2]) for each in frames]
    lines = [line for each in events if each["type"] == "log" for line in each["lines"]]
    assert response.content_type.startswith("text/event-stream")
    assert sum(each["type"] == "status" for each in events) > 2
    assert [line.split()[-1] for line in lines if "jan_ort.test" in line] == ["before", "meanwhile"]
    assert "event: status" in without
    assert "event: log" not in without


async def test_a_stream_ends_when_the_server_stops() -> None:
    async with serving() as app:
        client = app.test_client()
        reading = asyncio.ensure_future(client.get("/status", headers={"Accept": "text/event-stream"}))
        await asyncio.sleep(0.05)
    response = await reading

    assert (await response.get_data(as_text=True)).startswith("event: status\n")


async def test_without_pages_it_is_json_for_browsers_too() -> None:
    async with serving(pages=False) as app:
        response = await app.test_client().get("/status", headers=BROWSER)

    assert (response.status_code, response.content_type) == (200, "application/json")


async def test_an_app_leaves_no_handler_of_the_log_behind() -> None:
    before = list(logging.getLogger().handlers)
    async with serving(api_key=KEY, admin_key=ADMIN):
        during = list(logging.getLogger().handlers)

    assert len(during) == len(before) + 1
    assert logging.getLogger().handlers == before
