"""Streams: their frames, their order, and that their pieces are the plain answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from typing import Any

import pytest
from quart import Quart

from jan_ort_backends import BadInput, SlotTokens, StepOutput
from jan_ort_openapi import parse_body
from jan_ort_openapi.models import ChatCompletionChunk, CompletionChunk
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, Client, engine_of, events, post, stream
from tests.http.protocol.raw_clients import COMPLETIONS as RAW_COMPLETIONS
from tests.http.protocol.raw_clients import listening_server

SNOWMAN = "☃ Größe"
# The fourth draws from the whole vocabulary: single bytes, so halves of characters.
BODIES: list[dict[str, Any]] = [
    {"temperature": 0},
    {"temperature": 1.2, "seed": 11},
    {"temperature": 1.2, "seed": 11, "n": 3},
    {
        "temperature": 2.0,
        "seed": 5,
        "top_k": 0,
        "top_p": 1,
        "min_p": 0,
        "repeat_penalty": 1,
    },
    {"temperature": 0, "stop": ["be", " you"]},
    {"temperature": 0, "max_tokens": 1},
]


def pieces(chunks: list[Any]) -> tuple[dict[int, str], dict[int, list[str | None]]]:
    """Return the joined text and every finish reason, by index."""
    texts: dict[int, str] = defaultdict(str)
    reasons: dict[int, list[str | None]] = defaultdict(list)
    for chunk in chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content", "") if "delta" in choice else choice["text"]
            reasons[choice["index"]].append(choice["finish_reason"])
    return texts, reasons


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_the_headers_forbid_buffering_and_caching(client: Client, path: str) -> None:
    response = await client.post(path, json={"stream": True, "max_tokens": 2})

    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"


@pytest.mark.parametrize("body", BODIES, ids=str)
@pytest.mark.parametrize(
    ("path", "prompt"), [(COMPLETIONS, {"prompt": SNOWMAN}), (CHAT, {"messages": HELLO})], ids=["completions", "chat"]
)
async def test_the_deltas_joined_are_the_plain_text(
    client: Client, path: str, prompt: dict[str, Any], body: dict[str, Any]
) -> None:
    body = prompt | {"max_tokens": 40} | body

    _, plain = await post(client, path, body)
    texts, reasons = pieces((await stream(client, path, body))[:-1])

    for choice in plain["choices"]:
        text = choice["message"]["content"] if path == CHAT else choice["text"]
        assert texts[choice["index"]] == text
        assert reasons[choice["index"]][-1] == choice["finish_reason"]
        assert set(reasons[choice["index"]][:-1]) <= {None}


async def test_several_prompts_stream_side_by_side(client: Client) -> None:
    body = {"prompt": ["The sun", "A river", "Milk"], "n": 2, "temperature": 1.0, "seed": 4}

    _, plain = await post(client, COMPLETIONS, body)
    texts, _ = pieces((await stream(client, COMPLETIONS, body))[:-1])

    assert [texts[index] for index in range(6)] == [choice["text"] for choice in plain["choices"]]


@pytest.mark.parametrize(("path", "model"), [(COMPLETIONS, CompletionChunk), (CHAT, ChatCompletionChunk)])
async def test_every_event_is_a_chunk_and_done_is_last(client: Client, path: str, model: Any) -> None:
    response = await client.post(path, json={"stream": True, "stream_options": {"include_usage": True}})
    text = await response.get_data(as_text=True)

    frames = text.removesuffix("\n\n").split("\n\n")
    chunks = [parse_body(model, frame.removeprefix("data: ").encode()) for frame in frames[:-1]]

    assert frames[-1] == "data: [DONE]"
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1


async def test_chat_begins_with_the_role_of_every_choice_and_ends_with_an_empty_delta(client: Client) -> None:
    chunks = (await stream(client, CHAT, {"messages": HELLO, "n": 2, "max_tokens": 5, "min_tokens": 5}))[:-1]

    deltas = [(choice["index"], choice["delta"]) for chunk in chunks for choice in chunk["choices"]]
    ends = [choice for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]

    assert deltas[:2] == [(0, {"role": "assistant"}), (1, {"role": "assistant"})]
    assert all(set(delta) == {"content"} and delta["content"] for _, delta in deltas[2:] if delta)
    assert sorted((end["index"], end["finish_reason"]) for end in ends) == [(0, "length"), (1, "length")]
    assert [end["delta"] for end in ends] == [{}, {}]


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_usage_is_the_last_chunk_when_it_is_asked_for(client: Client, path: str) -> None:
    body = {"max_tokens": 6, "temperature": 0}

    _, plain = await post(client, path, body)
    chunks = (await stream(client, path, body | {"stream_options": {"include_usage": True}}))[:-1]

    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == plain["usage"]["total_tokens"]
    assert [chunk for chunk in chunks[:-1] if chunk.get("usage")] == []


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
async def test_usage_stays_away_when_it_is_not_asked_for(client: Client, options: object) -> None:
    chunks = (await stream(client, COMPLETIONS, {"max_tokens": 2, "stream_options": options}))[:-1]

    assert [chunk for chunk in chunks if "usage" in chunk] == []


@pytest.mark.parametrize(("path", "num_chunks"), [(COMPLETIONS, 0), (CHAT, 1)])
async def test_a_failure_in_the_midst_is_the_last_event_and_done_does_not_follow(
    app: Quart, client: Client, monkeypatch: pytest.MonkeyPatch, path: str, num_chunks: int
) -> None:
    session = engine_of(app)._runner.session
    step = session.step

    def fail_while_decoding(batch: list[SlotTokens]) -> StepOutput:
        if session.length(batch[0].slot) > 60:
            raise BadInput("batch", "the backend has had enough")
        return step(batch)

    monkeypatch.setattr(session, "step", fail_while_decoding)
    asked = {"prompt": "a"} if path == COMPLETIONS else {"messages": [{"role": "user", "content": "a"}]}
    received = await stream(client, path, asked | {"max_tokens": 100, "min_tokens": 100})

    assert "the backend has had enough" in received[-1]["error"]["message"]
    assert received[-1]["error"]["code"] == "backend_failed"
    assert len(received) > num_chunks + 20
    assert [event for event in received[:-1] if "error" in event] == []


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_after_a_failure_the_next_request_is_served(
    app: Quart, client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fail(batch: list[SlotTokens]) -> StepOutput:
        raise BadInput("batch", "once")

    with monkeypatch.context() as patched:
        patched.setattr(engine_of(app)._runner.session, "step", fail)
        failed, _ = await post(client, path, {})
    served, _ = await post(client, path, {})

    assert (failed, served) == (500, 200)
    assert engine_of(app).num_queued == 0


@pytest.mark.parametrize(("path", "body"), [(COMPLETIONS, {}), (CHAT, {"messages": HELLO})])
async def test_a_silent_stream_is_kept_alive_with_comments(
    client: Client, monkeypatch: pytest.MonkeyPatch, app: Quart, path: str, body: dict[str, Any]
) -> None:
    session = engine_of(app)._runner.session
    step = session.step

    def slow(batch: list[SlotTokens]) -> StepOutput:
        time.sleep(0.2)
        return step(batch)

    monkeypatch.setattr(session, "step", slow)
    monkeypatch.setattr("jan_ort.http.sse.PING_INTERVAL_S", 0.02)
    response = await client.post(path, json={"stream": True, "max_tokens": 2, "min_tokens": 2} | body)
    text = await response.get_data(as_text=True)

    assert text.partition(": ping\n\n")[0].count("data: ") == (path == CHAT)  # the role; then the prompt is computed
    assert events(text)[-1] == "[DONE]"


async def test_a_stream_whose_events_show_nothing_is_kept_alive(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jan_ort.http.answering.answer._frames_of", lambda shape, outputs: b"")
    monkeypatch.setattr("jan_ort.http.sse.PING_INTERVAL_S", 0.0)
    response = await client.post(COMPLETIONS, json={"stream": True, "max_tokens": 20, "min_tokens": 20})

    assert (await response.get_data(as_text=True)).count(": ping") > 1


async def test_a_stream_begins_before_its_prompt_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening_server() as (port, server):
        session = next(iter(server.roster.residents)).model.engine._runner.session  # type: ignore[union-attr]
        step, may_go_on = session.step, threading.Event()
        monkeypatch.setattr(session, "step", lambda batch: step(batch) if may_go_on.wait(20) else None)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = b'{"stream": true, "max_tokens": 1}'
        writer.write(RAW_COMPLETIONS + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
        may_go_on.set()
        writer.close()

    assert head.startswith(b"HTTP/1.1 200")
