"""Slow work of one kind holds up no other: templates, tokenizers and grammars have threads of their own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from quart import Quart

from jan_ort.chat.template import ChatTemplate
from jan_ort.serving.generative import GenerativeModel
from tests.http.handlers.serving import CHAT, HELLO, loaded_models, post, server_of, serving, until
from tests.http.handlers.test_leaving import begin

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
