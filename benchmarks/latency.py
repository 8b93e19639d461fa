"""Time to the first token and between tokens, at 1, 4, 16 and 64 clients whose requests come by chance, in turns.

Each client waits for its answer, then an exponential time with the mean ``--gap-s`` (of many clients, a Poisson
process), and asks again. Both servers get the same prompts and gaps; ``--plot FILE.svg`` draws the medians and the 99th
percentiles.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from latency_plot import plot
from servers import ROOT, Server, ours, rival
from workloads import text

from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL

NUM_CLIENTS = (1, 4, 16, 64)
PERCENTILES = (50, 99)
_ANSWER_TOKENS = 32


@dataclass
class Times:
    """Seconds from a request to its first token, and between the tokens that followed; how many requests failed."""

    first: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)
    num_failed: int = 0


async def ask(client: httpx.AsyncClient, prompt: str, times: Times) -> None:
    """Stream one completion. A refusal is counted, and measured as nothing."""
    body = {"prompt": prompt, "max_tokens": _ANSWER_TOKENS, "temperature": 0, "stream": True}
    last, started = 0.0, time.perf_counter()
    async with client.stream("POST", "/v1/completions", json=body) as response:
        if response.status_code != 200:
            times.num_failed += 1
            return
        async for line in response.aiter_lines():
            if not line.startswith("data: {") or not json.loads(line[6:])["choices"][0].get("text"):
                continue
            now = time.perf_counter()
            if last:
                times.between.append(now - last)
            else:
                times.first.append(now - started)
            last = now


async def one_client(client: httpx.AsyncClient, rng: random.Random, options: argparse.Namespace, times: Times) -> None:
    for _ in range(options.requests):
        await asyncio.sleep(rng.expovariate(1 / options.gap_s))
        await ask(client, text(rng, rng.randint(20, 200)), times)


async def measure(server: Server, num_clients: int, options: argparse.Namespace) -> Times:
    times, limits = Times(), httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, timeout=600, limits=limits) as client:
        rngs = [random.Random(f"{num_clients} {index}") for index in range(num_clients)]
        await asyncio.gather(*(one_client(client, rng, options, times) for rng in rngs))
    return times


def row(name: str, num_clients: int, times: Times) -> str:
    figures = [
        f"{1e3 * float(np.percentile(each, share)):.0f}" if each else "-"
        for each in (times.first, times.between)
        for share in PERCENTILES
    ]
    return f"| {num_clients} | {name} | {' | '.join(figures)} | {len(times.first)} | {times.num_failed} |"


def contestants(options: argparse.Namespace) -> list[Server]:
    model = options.model or DEFAULT_CHAT_MODEL
    flags = [part for each in options.flag for part in each.split("=", 1)]
    mine = [ours(model, *flags)]
    if options.alone:
        return mine
    return [*mine, rival(options.model or ROOT / ".cache" / "gguf" / "SmolLM2-135M-Instruct.Q4_1.gguf")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a GGUF file; the default model if not given (run duel.py first)")
    parser.add_argument("--flag", action="append", default=[], help="of our server: --flag=--weights=int4")
    parser.add_argument("--alone", action="store_true", help="leave llama-cpp-python's server out")
    parser.add_argument("--clients", type=int, nargs="+", default=list(NUM_CLIENTS))
    parser.add_argument("--requests", type=int, default=4, help="of each client")
    parser.add_argument("--gap-s", type=float, default=1.0)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    servers, found = contestants(options), dict[tuple[str, int], Times]()
    print("| clients | server | first token: p50, ms | p99 | between tokens: p50, ms | p99 | answers | refused |")
    print("|---|---|---|---|---|---|---|---|")
    try:
        for server in servers:
            server.start(timeout_s=1800)
            asyncio.run(measure(server, 1, argparse.Namespace(requests=1, gap_s=0.1)))  # warms it up
        for num_clients in options.clients:
            for server in servers:
                times = asyncio.run(measure(server, num_clients, options))
                found[server.name, num_clients] = times
                print(row(server.name, num_clients, times), flush=True)
    finally:
        for server in servers:
            server.stop()
    if options.plot:
        lines = {key: (times.first, times.between) for key, times in found.items()}
        options.plot.write_text(plot(lines, PERCENTILES), encoding="utf-8")


if __name__ == "__main__":
    main()
