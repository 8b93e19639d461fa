"""What is said of streams, and of the process that sends them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from tests.http.cases.case_lines import COMPLAINTS, Line
from tests.http.cases.complaints.schemas import schema
from tests.http.fields.asking import FREE, GREEDY, ask, said, streamed
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, Client, engine_of, post, until
from tests.own_settings import without_own_settings


@COMPLAINTS.of("B1")
async def streams_are_not_buffered(client: Client, line: Line) -> None:
    response = await client.post(CHAT, json={"messages": HELLO, "max_tokens": 1, "stream": True})

    assert response.content_type.startswith("text/event-stream")
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "no-store" in response.headers["Cache-Control"]


@COMPLAINTS.of("B2")
async def a_stream_has_a_comment_before_its_first_token(client: Client, line: Line) -> None:
    from jan_ort.http import sse  # what is sent meanwhile, and how often: tests/http/test_sse.py has the rest

    assert sse.PING.startswith(b":")
    assert sse.PING_INTERVAL_S <= 30


@COMPLAINTS.of("B3")
async def the_last_chunk_alone_says_why(client: Client, line: Line) -> None:
    chunks = await streamed(client, CHAT, max_tokens=2, stream=True)

    *before, last = [chunk["choices"][0] for chunk in chunks]
    assert {choice["finish_reason"] for choice in before} == {None}
    assert last["finish_reason"] == "length"
    assert last["delta"] == {}


@COMPLAINTS.of("B4")
async def usage_is_streamed_if_it_is_wanted(client: Client, line: Line) -> None:
    for path in (CHAT, COMPLETIONS):
        wanted = await streamed(client, path, max_tokens=2, stream=True, stream_options={"include_usage": True})
        plain = await streamed(client, path, max_tokens=2, stream=True)

        assert wanted[-1]["choices"] == []
        assert wanted[-1]["usage"]["completion_tokens"] > 0
        assert not any(chunk.get("usage") for chunk in plain)


@COMPLAINTS.of("B6")
async def no_half_character_is_sent(client: Client, line: Line) -> None:
    fields = schema({"const": "日本🙂"}) | {"max_tokens": 60}
    chunks = await streamed(client, CHAT, stream=True, **fields)

    pieces = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert "".join(pieces) == await said(client, CHAT, **fields) == '"日本🙂"'
    assert not any("\ufffd" in piece for piece in pieces)


@COMPLAINTS.of("B7")
async def a_stop_string_is_not_leaked(client: Client, line: Line) -> None:
    text = await said(client, CHAT, **FREE)

    for at in range(1, 5):
        stop = text[at : at + 4]
        chunks = await streamed(client, CHAT, **FREE, stream=True, stop=stop)
        assert (
            "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == text[: text.index(stop)]
        )
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@COMPLAINTS.of("B8")
async def a_client_that_goes_away_stops_the_work(client: Client, line: Line) -> None:
    engine = engine_of(client.app)
    asked = asyncio.create_task(ask(client, CHAT, max_tokens=400, min_tokens=400, messages=HELLO * 10))
    await asyncio.sleep(0.05)

    asked.cancel()

    await until(lambda: not engine.num_queued)
    assert await said(client, CHAT, **GREEDY)


@COMPLAINTS.of("B9")
async def a_whole_answer_has_no_delta(client: Client, line: Line) -> None:
    answer = await ask(client, CHAT, max_tokens=2)

    assert answer["object"] == "chat.completion"
    assert "delta" not in answer["choices"][0]


@COMPLAINTS.of("I2")
async def a_narrow_console_is_no_error(client: Client, line: Line) -> None:
    environment = without_own_settings(os.environ) | {"PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-P", "-m", "jan_ort", "models", "convert", "日本🙂.gguf"]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, check=False)

    assert done.returncode
    assert b"Traceback" not in done.stderr
    assert b"UnicodeEncodeError" not in done.stderr


@COMPLAINTS.of("I4")
async def a_stream_outlives_the_unloading_of_its_model(client: Client, line: Line) -> None:
    models = (await (await client.get("/v1/models")).get_json())["data"]
    asked = asyncio.create_task(streamed(client, CHAT, **FREE | {"max_tokens": 300}, stream=True, ignore_eos=True))
    await until(lambda: engine_of(client.app).num_queued > 0)

    status, _ = await post(client, "/models/unload", {"model": models[0]["id"]})

    chunks = await asked
    assert status in (200, 202, 404, 409)
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
