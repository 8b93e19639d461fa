"""Slow work of one kind holds up no other: templates, tokenizers and grammars have threads of their own."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import pytest
from quart import Quart

from jan_ort.chat.template import ChatTemplate
from jan_ort.serving.generative import GenerativeModel
from tests.http.handlers.serving import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    HELLO,
    loaded_models,
    post,
    server_of,
    serving,
    until,
)
from tests.http.handlers.test_leaving import begin

TOKENIZE = "/extras/tokenize"
LONG = "word " * 2000
"""More characters than are tokenized in the event loop."""


def generative(app: Quart) -> GenerativeModel:
    model = loaded_models(app)[0]
    assert isinstance(model, GenerativeModel)
    return model


class Gate:
    """Stands for work that takes long: whoever passes waits until it is opened."""

    def __init__(self) -> None:
        self.num_waiting = 0
        self._opened = threading.Event()

    def open(self) -> None:
        self._opened.set()

    def __call__(self, *_: Any, **__: Any) -> str:
        self.num_waiting += 1
        self._opened.wait(20)
        return "Hello"


async def test_slow_templates_hold_up_neither_texts_nor_an_unload(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    monkeypatch.setattr(ChatTemplate, "render", gate)
    async with serving() as app:
        client = app.test_client()
        chats = [asyncio.create_task(post(client, CHAT, {"messages": HELLO, "max_tokens": 1})) for _ in range(40)]
        await until(lambda: gate.num_waiting == 2)

        status, answer = await asyncio.wait_for(post(client, "/extras/tokenize", {"input": LONG}), 5)
        await asyncio.wait_for(server_of(app).roster.residents[1].unload(), 5)
        waiting = gate.num_waiting
        gate.open()
        answers = await asyncio.gather(*chats)

    assert (status, waiting) == (200, 2)
    assert len(answer["tokens"]) > 2000
    assert {status for status, _ in answers} == {200}


async def test_a_client_that_goes_takes_its_template_out_of_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    monkeypatch.setattr(ChatTemplate, "render", gate)
    async with serving() as app:
        client = app.test_client()
        chats = [asyncio.create_task(post(client, CHAT, {"messages": HELLO, "max_tokens": 1})) for _ in range(2)]
        await until(lambda: gate.num_waiting == 2)
        leaving = [await begin(client, CHAT, {"messages": HELLO}) for _ in range(3)]
        await until(lambda: generative(app).rendering.num_waiting == 3)
        for connection in leaving:
            await connection.disconnect()
        await until(lambda: generative(app).rendering.num_waiting == 0)
        gate.open()
        answers = await asyncio.gather(*chats)

    assert gate.num_waiting == 2
    assert {status for status, _ in answers} == {200}


async def test_a_stop_answers_what_waits_for_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    monkeypatch.setattr(ChatTemplate, "render", gate)
    async with serving() as app:
        client = app.test_client()
        chats = [asyncio.create_task(post(client, CHAT, {"messages": HELLO, "max_tokens": 1})) for _ in range(4)]
        await until(lambda: gate.num_waiting == 2)

        await server_of(app).stop()
        done, _ = await asyncio.wait(chats[2:], timeout=5)
        gate.open()
        late = await asyncio.gather(*chats)

    assert len(done) == 2
    assert {(status, answer["error"]["code"]) for status, answer in late} == {(503, "shutting_down")}


async def test_what_cannot_fit_is_refused_unread_on_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = "word " * 1_000_000
    async with serving() as app:
        client = app.test_client()
        for model in loaded_models(app):
            monkeypatch.setattr(model.tokenizer, "_tokenizer", None)
        answers = [
            await post(client, COMPLETIONS, {"prompt": huge}),
            await post(client, COMPLETIONS, {"prompt": ["a", huge]}),
            await post(client, CHAT, {"messages": [{"role": "user", "content": huge}]}),
            await post(client, EMBEDDINGS, {"input": huge}),
            await post(client, EMBEDDINGS, {"input": ["a", huge]}),
        ]

    assert [(status, answer["error"]["param"]) for status, answer in answers] == [
        (400, "prompt"), (400, "prompt"), (400, "messages"), (400, "input"), (400, "input"),
    ]  # fmt: skip
    for _, answer in answers:
        assert answer["error"]["code"] == "context_length_exceeded"
        assert re.search(r"maximum context length is 512 tokens, .* at least \d{5,} tokens", answer["error"]["message"])


async def test_a_text_that_is_to_be_counted_may_have_any_length() -> None:
    async with serving() as app:
        status, answer = await post(app.test_client(), "/extras/tokenize/count", {"input": "word " * 5000})

    assert (status, answer["count"] > 5000) == (200, True)


async def test_a_short_text_does_not_wait_for_long_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    async with serving() as app:
        client, tokenizer = app.test_client(), generative(app).tokenizer
        encode = tokenizer.encode
        monkeypatch.setattr(tokenizer, "encode", lambda text: encode(text) if len(text) < 65_536 else encode(gate()))
        long = [asyncio.create_task(post(client, TOKENIZE, {"input": "word " * 20_000})) for _ in range(6)]
        await until(lambda: generative(app).tokenizing.num_waiting == 5)

        status, _ = await asyncio.wait_for(post(client, TOKENIZE, {"input": LONG}), 5)
        begun = gate.num_waiting
        gate.open()
        answers = await asyncio.gather(*long)

    assert (status, begun) == (200, 1)
    assert {status for status, _ in answers} == {200}


async def test_of_a_list_of_texts_no_more_is_tokenized_once_its_client_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate()
    async with serving() as app:
        client, tokenizer = app.test_client(), generative(app).tokenizer
        encode = tokenizer.encode
        read: list[str] = []
        monkeypatch.setattr(tokenizer, "encode", lambda text: read.append(text) or encode(gate()))
        connection = await begin(client, COMPLETIONS, {"prompt": [f"{at} {LONG[:200]}" for at in range(100)]})
        await until(lambda: gate.num_waiting == 1)
        await connection.disconnect()
        await until(lambda: server_of(app).roster.residents[0]._num_users == 0)

        gate.open()
        await until(lambda: not generative(app).tokenizing._working)

    assert len(read) == 1
