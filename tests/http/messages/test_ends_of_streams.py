"""What a stream of each further protocol sends while nothing comes, and when it fails."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from jan_ort_backends import BadInput, SlotTokens, StepOutput
from tests.http.handlers.serving import engine_of, serving
from tests.http.messages.asking import BODY as MESSAGE
from tests.http.messages.asking import MESSAGES, parsed
from tests.http.ollama.asking import BODY, CHAT


async def failing(monkeypatch: pytest.MonkeyPatch, path: str, body: Any) -> str:
    """Return a stream whose backend fails after some tokens."""
    async with serving() as app:
        session = engine_of(app)._runner.session
        step = session.step

        def fail_while_decoding(batch: list[SlotTokens]) -> StepOutput:
            if session.length(batch[0].slot) > 30:
                raise BadInput("batch", "the backend has had enough")
            return step(batch)

        monkeypatch.setattr(session, "step", fail_while_decoding)
        answer = await app.test_client().post(path, json=body)
        text: str = await answer.get_data(as_text=True)
        return text


async def test_a_message_that_fails_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    events = parsed(await failing(monkeypatch, MESSAGES, MESSAGE | {"stream": True}))

    assert (events[-1]["type"], events[-1]["error"]["type"]) == ("error", "api_error")
    assert "the backend has had enough" in events[-1]["error"]["message"]
    assert "content_block_delta" in {each["type"] for each in events}
    assert "message_stop" not in {each["type"] for each in events}


async def test_lines_that_fail_end_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.loads(line) for line in (await failing(monkeypatch, CHAT, BODY[CHAT])).splitlines()]

    assert "the backend has had enough" in lines[-1]["error"]
    assert len(lines) > 2
    assert not any(each.get("done") for each in lines)


async def test_a_silent_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as app:
        session = engine_of(app)._runner.session
        step = session.step

        def slow(batch: list[SlotTokens]) -> StepOutput:
            time.sleep(0.2)
            return step(batch)

        monkeypatch.setattr(session, "step", slow)
        monkeypatch.setattr("jan_ort.http.sse.PING_INTERVAL_S", 0.02)
        client = app.test_client()
        message = await client.post(MESSAGES, json=MESSAGE | {"stream": True, "max_tokens": 2})
        events = parsed(await message.get_data(as_text=True))
        chat = await client.post(CHAT, json=BODY[CHAT] | {"options": {"num_predict": 2}})
        lines = [json.loads(line) for line in (await chat.get_data(as_text=True)).splitlines()]

    assert sum(each["type"] == "ping" for each in events) > 2
    assert sum(not each["done"] and not each["message"]["content"] for each in lines) > 1
