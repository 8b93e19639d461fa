"""Thousands of requests, many of whose clients leave at any time: nothing is left of them."""

from __future__ import annotations

import asyncio
import gc
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

from jan_ort.http.app import create_app
from jan_ort.http.launcher import bind
from jan_ort.http.routes import EXTENSION
from tests.http.handlers.serving import engine_of, reference_settings, server_of, until

NUM_WARM, NUM_REQUESTS, CONCURRENCY = 600, 2000, 8
SEED = 20


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Quart, int]]:
    """Serve the reference model over a real socket in this process, and yield the app and the port."""
    app = create_app(reference_settings(num_slots=8))
    ended = asyncio.Event()
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # hypercorn closes it
    config.errorlog = None
    served = asyncio.create_task(serve(app, config, shutdown_trigger=ended.wait))
    try:
        await until(lambda: EXTENSION in app.extensions and server_of(app).status == "ready")
        yield app, port
    finally:
        ended.set()
        await served


async def ask(port: int, rng: random.Random) -> str:
    """Send one request of a random kind, perhaps leave before the answer is complete, and return what happened."""
    stream, leaves = rng.random() < 0.5, rng.random() < 0.5
    body = {
        "prompt": "The river runs along the old garden. "[: rng.randint(1, 37)] * rng.randint(1, 3),
        "max_tokens": rng.randint(20, 60) if leaves else rng.randint(1, 6),
        "n": rng.choice([1, 1, 1, 2]),
        "stream": stream,
        "logprobs": rng.choice([None, 3]),
    }
    raw = json.dumps(body).encode()
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
    if leaves:
        await asyncio.sleep(rng.uniform(0, 0.03))
        if rng.random() < 0.5:
            writer.transport.abort()  # a reset, where close() says goodbye
    else:
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert (b"[DONE]" if stream else b'"usage"') in answer
    writer.close()
    return ("left " if leaves else "read ") + ("stream" if stream else "body")


async def load(port: int, num_requests: int, rng: random.Random) -> set[str]:
    """Send the requests, a few at a time, and return what kinds there were."""
    turns = iter(range(num_requests))
    kinds: set[str] = set()

    async def client() -> None:
        for _ in turns:
            kinds.add(await ask(port, rng))

    await asyncio.gather(*(client() for _ in range(CONCURRENCY)))
    return kinds


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open descriptors")
async def test_thousands_of_requests_leave_nothing_behind() -> None:
    process, rng = psutil.Process(), random.Random(SEED)

    async with listening() as (app, port):
        engine = engine_of(app)

        async def at_rest() -> tuple[int, int]:
            await until(lambda: engine.num_queued == 0)
            await asyncio.sleep(0.5)
            gc.collect()
            return len(asyncio.all_tasks()), process.num_fds()

        await load(port, NUM_WARM, rng)
        before, rss = await at_rest(), process.memory_info().rss
        kinds = await load(port, NUM_REQUESTS, rng)
        after, grown = await at_rest(), process.memory_info().rss - rss

        assert kinds == {"left stream", "left body", "read stream", "read body"}
        assert engine._scheduler.slots.num_free == 8
        assert not engine._in_flight.generations
        assert after == before
    assert grown < 10_000_000
