"""How long a one-token chat takes beside long prompts, and beside long texts to embed."""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from typing import Any

import httpx
from servers import Server
from workloads import text

from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDING_MODEL

NUM_TOKENS = 5400
KINDS = ("one", "three", "echo", "embed")


def load_of(kind: str, rng: random.Random) -> list[tuple[str, dict[str, Any]]]:
    """Return the requests of a kind of load: path and body."""
    if kind == "embed":
        return [("/v1/embeddings", {"input": [text(rng, 200) for _ in range(512)]})]
    extra = {"echo": True, "logprobs": 1} if kind == "echo" else {}
    prompts = [[rng.randint(1000, 40_000) for _ in range(NUM_TOKENS)] for _ in range(3 if kind == "three" else 1)]
    return [("/v1/completions", {"prompt": prompt, "max_tokens": 1, **extra}) for prompt in prompts]


async def chat(client: httpx.AsyncClient, rng: random.Random) -> float:
    """Return the seconds of a chat whose prompt nothing has cached."""
    started = time.perf_counter()
    body = {"messages": [{"role": "user", "content": text(rng, 5)}], "max_tokens": 1}
    (await client.post("/v1/chat/completions", json=body)).raise_for_status()
    return time.perf_counter() - started


async def measure(server: Server, kind: str, limit_s: float) -> None:
    """Print what chats take beside a load of this kind until it is done, or the limit is over."""
    rng = random.Random(20)
    async with httpx.AsyncClient(base_url=server.url, timeout=600) as client:
        quiet = [await chat(client, rng) for _ in range(5)]
        load = [asyncio.create_task(client.post(path, json=body)) for path, body in load_of(kind, rng)]
        await asyncio.sleep(1)
        until, beside = time.monotonic() + limit_s, []
        while time.monotonic() < until and not all(task.done() for task in load):
            beside.append(await chat(client, rng))
            await asyncio.sleep(rng.uniform(0, 0.5))
        for task in load:
            if task.done():
                task.result().raise_for_status()
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)
    print(
        f"{kind:6} {len(beside):4} chats: median {statistics.median(beside):6.2f} s, most {max(beside):6.2f} s; "
        f"without the load {statistics.median(quiet):5.2f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--limit-s", type=float, default=150)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    parser.add_argument("--embedding-model", default=DEFAULT_EMBEDDING_MODEL)
    parser.add_argument("--prefill-step-s", type=float, default=0.25)
    options = parser.parse_args()
    command = [sys.executable, "-m", "jan_ort", "serve", "--port", "{port}", "--model", options.model]
    command += ["--embedding-model", options.embedding_model, "--prefill-step-s", str(options.prefill_step_s)]
    server = Server("beside-prompts", command, "/health")
    server.start()
    try:
        for kind in options.kind or KINDS:
            asyncio.run(measure(server, kind, options.limit_s))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
