"""How long streams wait between tokens while a long prompt arrives, and how long the prompt takes beside them."""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from dataclasses import dataclass
from itertools import pairwise

import httpx
from servers import Server

from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL

NUM_ANSWERED = 2000
"""Tokens that a stream is asked for: more than it gives until the prompt is done."""


@dataclass(frozen=True)
class Round:
    """Seconds: the prompt's first token, and each stream's time between tokens before the prompt came and beside it."""

    alone: float
    beside: float
    quiet_gaps: list[float]
    beside_gaps: list[float]


def prompt(rng: random.Random, num_tokens: int) -> list[int]:
    return [rng.randint(1000, 40_000) for _ in range(num_tokens)]


def gaps_between(streams: list[list[float]], begin: float, end: float) -> list[float]:
    """Return what was waited for each token that came, or was waited for, between two moments."""
    return [late - early for moments in streams for early, late in pairwise(moments) if begin <= late and early <= end]


async def stream(client: httpx.AsyncClient, tokens: list[int], moments: list[float]) -> None:
    """Note when each token of an answer comes."""
    body = {"prompt": tokens, "max_tokens": NUM_ANSWERED, "stream": True, "ignore_eos": True}
    async with client.stream("POST", "/v1/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("data:"):
                moments.append(time.perf_counter())  # noqa: PERF401 - each as it comes


async def first_token(client: httpx.AsyncClient, tokens: list[int]) -> float:
    """Return the seconds until a prompt's first token."""
    started = time.perf_counter()
    (await client.post("/v1/completions", json={"prompt": tokens, "max_tokens": 1})).raise_for_status()
    return time.perf_counter() - started


async def measure(url: str, rng: random.Random, num_streams: int, num_tokens: int, quiet_s: float) -> Round:
    """Ask a prompt of nothing else, then have streams run for a while, and ask another prompt beside them."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=900, limits=limits) as client, asyncio.TaskGroup() as group:
        alone = await first_token(client, prompt(rng, num_tokens))
        streams: list[list[float]] = [[] for _ in range(num_streams)]
        running = [group.create_task(stream(client, prompt(rng, 5), moments)) for moments in streams]
        while min(len(moments) for moments in streams) < 10:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        began = time.perf_counter()
        await asyncio.sleep(quiet_s)
        sent = time.perf_counter()
        beside = await first_token(client, prompt(rng, num_tokens))
        done = time.perf_counter()
        if any(task.done() for task in running):
            raise SystemExit(f"a stream ended before the prompt was read: {NUM_ANSWERED} tokens are too few")
        for task in running:
            task.cancel()
    return Round(alone, beside, gaps_between(streams, began, sent), gaps_between(streams, sent, done))


def show(num_streams: int, rounds: list[Round]) -> None:
    """Print the figures of all rounds together."""
    quiet = statistics.median(gap for each in rounds for gap in each.quiet_gaps)
    gaps = [gap for each in rounds for gap in each.beside_gaps]
    alone, beside = (statistics.median(times) for times in zip(*((r.alone, r.beside) for r in rounds), strict=True))
    worst = statistics.quantiles(gaps, n=100, method="inclusive")[98]
    print(
        f"{num_streams} streams: {1000 * quiet:.0f} ms between tokens; beside the prompt median "
        f"{1000 * statistics.median(gaps):.0f} ms, p99 {1000 * worst:.0f} ms ({worst / quiet:.2f}); "
        f"the prompt's first token after {alone:.1f} s alone, {beside:.1f} s beside them ({beside / alone:.2f})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    parser.add_argument("--weights", default="int8")
    parser.add_argument("--streams", type=int, nargs="+", default=[8, 1])
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quiet-s", type=float, default=5)
    options = parser.parse_args()
    command = [sys.executable, "-m", "jan_ort", "serve", "--port", "{port}", "--model", options.model]
    command += ["--weights", options.weights, "--num-slots", str(1 + max(options.streams))]
    server = Server("running-streams", command, "/health")
    server.start(600)
    rng = random.Random(3)
    try:
        for num_streams in options.streams:
            show(
                num_streams,
                [
                    asyncio.run(measure(server.url, rng, num_streams, options.tokens, options.quiet_s))
                    for _ in range(options.rounds)
                ],
            )
    finally:
        server.stop()


if __name__ == "__main__":
    main()
