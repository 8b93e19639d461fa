"""A model stays loaded while an answer needs it, and no longer, however the answer ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from tests.http.handlers.serving import COMPLETIONS, EMBEDDINGS, engine_of, server_of, serving, until
from tests.http.handlers.test_leaving import ENDLESS, slow_down
from tests.serving.several import copied


class Exchange:
    """One request to the app, whose client reads only what ``reads`` lets it, and may go."""

    def __init__(self, app: Quart, path: str, body: dict[str, Any]) -> None:
        self._app = app
        self._gone = asyncio.Event()
        self._reads = asyncio.Semaphore(0)
        self._messages: Iterator[dict[str, Any]] = iter(
            [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]
        )
        self.sent: list[dict[str, Any]] = []
        self.is_answering = False
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", b"application/json"), (b"host", b"localhost")],
            "client": None,
            "server": None,
            "extensions": {},
        }
        self.done = asyncio.create_task(app(scope, self._receive, self._send))  # type: ignore[arg-type]

    def read(self, num_messages: int) -> None:
        for _ in range(num_messages):
            self._reads.release()

    async def leave(self) -> None:
        self._gone.set()
        await asyncio.wait({self.done})

    async def _receive(self) -> Any:
        for message in self._messages:
            return message
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.is_answering = True
        await self._reads.acquire()
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._gone.set()  # as ASGI has it: after a whole answer, an app hears that the client has gone


def users(app: Quart) -> int:
    return server_of(app).roster.residents[0]._num_users


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_before_the_first_byte_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    async with serving() as app:
        slow_down(app, monkeypatch)
        exchange = Exchange(app, COMPLETIONS, {"prompt": "Hello", "stream": stream} | ENDLESS)
        await until(lambda: engine_of(app).num_queued == 1)
        during = users(app)

        await exchange.leave()

        assert (during, users(app), exchange.sent) == (1, 0, [])
        await until(lambda: engine_of(app).num_queued == 0, timeout_s=2)


async def test_a_client_that_does_not_read_keeps_no_model_that_has_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(model=copied(tmp_path, "ada")) as app:
        slow_down(app, monkeypatch)
        exchange = Exchange(app, COMPLETIONS, {"prompt": "Hello", "max_tokens": 5, "min_tokens": 5, "stream": True})
        await until(lambda: users(app) == 1)
        await until(lambda: users(app) == 0)

        await asyncio.wait_for(server_of(app).roster.residents[0].unload(), 5)
        exchange.read(1000)
        await asyncio.wait({exchange.done})

    frames = b"".join(message.get("body", b"") for message in exchange.sent)
    assert frames.endswith(b"data: [DONE]\n\n")
    assert b'"finish_reason":"length"' in frames


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (COMPLETIONS, {"prompt": "Hello", "max_tokens": 2}),
        (EMBEDDINGS, {"input": ["Hello"] * 20}),
        ("/extras/tokenize", {"input": "Hello"}),
        ("/extras/tokenize/count", {"input": "Hello"}),
        ("/extras/tokenize/count", {"messages": [{"role": "user", "content": "Hello"}]}),
        ("/extras/detokenize", {"tokens": [1, 2]}),
    ],
)
async def test_an_answer_that_is_not_read_keeps_no_model(path: str, body: dict[str, Any]) -> None:
    async with serving() as app:
        exchange = Exchange(app, path, body)
        await until(lambda: exchange.is_answering)
        using = [resident._num_users for resident in server_of(app).roster.residents]
        exchange.read(1000)
        await asyncio.wait({exchange.done})

    assert using == [0, 0]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (COMPLETIONS, {"prompt": "Hello", "max_tokens": 2}),
        (COMPLETIONS, {"prompt": "Hello", "max_tokens": 2, "stream": True}),
        (COMPLETIONS, {"prompt": "Hello", "logit_bias": {"x": 1}}),
        (EMBEDDINGS, {"input": "Hello"}),
        ("/extras/tokenize", {"input": "Hello"}),
        ("/extras/tokenize/count", {"messages": [{"role": "user", "content": "Hello"}]}),
        ("/extras/detokenize", {"tokens": [1, 2]}),
    ],
)
async def test_every_operation_gives_its_model_back(path: str, body: dict[str, Any]) -> None:
    async with serving() as app:
        exchange = Exchange(app, path, body)
        exchange.read(1000)
        await asyncio.wait({exchange.done})

        assert exchange.sent
        assert [resident._num_users for resident in server_of(app).roster.residents] == [0, 0]


async def test_two_requests_are_two_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as app:
        slow_down(app, monkeypatch)
        exchanges = [Exchange(app, COMPLETIONS, {"prompt": "Hi", "stream": True} | ENDLESS) for _ in range(2)]
        await until(lambda: users(app) == 2)
        await exchanges[0].leave()
        after_one = users(app)
        await exchanges[1].leave()

        assert (after_one, users(app)) == (1, 0)


class Hasty(Exchange):
    """Sends its body after so many turns of the loop, and goes so many turns after that."""

    turns = (0, 0)

    async def _receive(self) -> Any:
        for _ in range(self.turns[self._gone.is_set()]):
            await asyncio.sleep(0)
        message = await super()._receive()
        self._gone.set()
        return message


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_in_any_turn_around_its_body_is_noticed(
    monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    async with serving() as app:
        slow_down(app, monkeypatch)
        exchanges = []
        for turns in product(range(6), range(6)):
            exchanges.append(Hasty(app, COMPLETIONS, {"prompt": "Hello", "stream": stream} | ENDLESS))
            exchanges[-1].turns = turns
        await asyncio.wait({each.done for each in exchanges}, timeout=5)

        assert [each.turns for each in exchanges if not each.done.done()] == []
        await until(lambda: engine_of(app).num_queued == 0, timeout_s=2)
