"""Thousands of requests to this server, many of whose clients leave early: what memory and descriptors remain."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time

import httpx
import psutil
from servers import Server, ours
from workloads import complete, text

from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL

NUM_SLOTS = CONCURRENCY = 8
NUM_WARM = 300
HEAD = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"


async def ask(port: int, rng: random.Random) -> bool:
    """Send one request of about 8 tokens; return whether its client stayed to the end."""
    leaves = rng.random() < 0.4
    body = {
        "prompt": text(rng, rng.randint(4, 45)),
        "max_tokens": 64 if leaves else rng.randint(4, 12),
        "stream": rng.random() < 0.5,
        "logprobs": rng.choice([None, None, 3]),
    }
    raw = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{HEAD}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
    if leaves:
        await asyncio.sleep(rng.uniform(0, 0.4))
        if rng.random() < 0.5:
            writer.transport.abort()  # a reset, where close() says goodbye
    elif not (answer := await reader.read()).startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"unexpected answer: {answer[:300]!r}")
    writer.close()
    return not leaves


async def touch(port: int, rng: random.Random) -> None:
    """Write every slot further than any later request does: the KV cache takes memory page by page, once."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        prompts = [text(rng, 200) for _ in range(NUM_SLOTS)]
        await asyncio.gather(*(complete(client, prompt=prompt, max_tokens=8, min_tokens=8) for prompt in prompts))


async def load(port: int, num_requests: int, rng: random.Random, until: float) -> tuple[int, int]:
    """Send the requests, a few at a time, until the clock says ``until``; return how many, and how many were read."""
    turns = iter(range(num_requests))
    stayed: list[bool] = []

    async def client() -> None:
        for _ in turns:
            if time.monotonic() > until:
                return
            stayed.append(await ask(port, rng))

    await asyncio.gather(*(client() for _ in range(CONCURRENCY)))
    return len(stayed), sum(stayed)


async def show(process: psutil.Process, done: int, read: int) -> float:
    """Print a line once the server is at rest, and return the MB that no file backs.

    The others are pages of the weights file: more of the embedding is touched as more tokens occur.
    """
    await asyncio.sleep(2)
    memory = process.memory_info()
    own = float(memory.rss - getattr(memory, "shared", 0)) / 1e6
    print(
        f"{done:9} {read:6} {memory.rss / 1e6:8.1f} {own:8.1f} {process.num_fds():12} {process.num_threads():8}",
        flush=True,
    )
    return own


async def endure(server: Server, num_requests: int, limit_s: float) -> None:
    assert server.process is not None
    process, rng = psutil.Process(server.process.pid), random.Random(20)
    print(f"{'requests':>9} {'read':>6} {'RSS MB':>8} {'own MB':>8} {'descriptors':>12} {'threads':>8}")
    await show(process, 0, 0)
    await touch(server.port, rng)
    until = time.monotonic() + limit_s
    done, read = await load(server.port, NUM_WARM, rng, until)
    warm = own = await show(process, done, read)
    while done < NUM_WARM + num_requests and time.monotonic() < until:
        sent, stayed = await load(server.port, min(500, NUM_WARM + num_requests - done), rng, until)
        done, read = done + sent, read + stayed
        own = await show(process, done, read)
    print(f"own memory after {done - NUM_WARM} requests, less that after {NUM_WARM}: {own - warm:+.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--limit-s", type=float, default=360, help="stop asking after so many seconds")
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    options = parser.parse_args()
    server = ours(options.model)
    server.start()
    try:
        asyncio.run(endure(server, options.requests, options.limit_s))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
