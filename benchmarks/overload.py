"""Many more streams than a server can compute at once: every one ends whole or is refused with a time to come back."""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import statistics
import sys
import time
from dataclasses import dataclass, field

import httpx
import psutil
from servers import Server, free_port

HEALTH_EVERY_S = 0.2


@dataclass
class Outcome:
    """What became of the requests: counts by kind, seconds until an answer was whole, until a refusal, of /health."""

    kinds: collections.Counter[str] = field(default_factory=collections.Counter)
    whole_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    health_s: list[float] = field(default_factory=list)


async def ask(client: httpx.AsyncClient, number: int, outcome: Outcome, retry: bool) -> None:
    """Stream one answer; a refusal is tried again after the time it names, if ``retry``."""
    body = {"prompt": f"stream {number}:", "max_tokens": 16, "min_tokens": 16, "stream": True, "temperature": 0}
    while True:
        started = time.perf_counter()
        async with client.stream("POST", "/v1/completions", json=body) as response:
            kind, wait_s = await judge(response)
        outcome.kinds[kind] += 1
        taken = outcome.refused_s if wait_s is not None else outcome.whole_s
        taken.append(time.perf_counter() - started)
        if wait_s is None or not retry:
            return
        await asyncio.sleep(wait_s)


async def judge(response: httpx.Response) -> tuple[str, float | None]:
    """Return the kind of an answer, and the seconds after which a refused one may come back."""
    if response.status_code in (429, 503):
        after = response.headers.get("retry-after")
        return (f"refused {response.status_code}", float(after)) if after else ("refused without Retry-After", None)
    lines = [line async for line in response.aiter_lines() if line]
    if response.status_code != 200:
        return f"status {response.status_code}", None
    if not lines or lines[-1] != "data: [DONE]":
        return "cut", None
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    is_whole = any(choice["finish_reason"] == "length" for chunk in chunks for choice in chunk["choices"])
    return ("whole" if is_whole else "incomplete"), None


async def watch_health(client: httpx.AsyncClient, outcome: Outcome) -> None:
    while True:
        started = time.perf_counter()
        (await client.get("/health")).raise_for_status()
        outcome.health_s.append(time.perf_counter() - started)
        await asyncio.sleep(HEALTH_EVERY_S)


async def overload(server: Server, num_streams: int, at_once: int, retry: bool) -> Outcome:
    """Ask for ``num_streams``, ``at_once`` of them at a time."""
    outcome, numbers = Outcome(), iter(range(num_streams))
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    own = httpx.AsyncClient(base_url=server.url, timeout=30)
    async with httpx.AsyncClient(base_url=server.url, timeout=600, limits=limits) as client, own:
        watching = asyncio.create_task(watch_health(own, outcome))

        async def worker() -> None:
            for number in numbers:
                await ask(client, number, outcome, retry)

        await asyncio.gather(*(worker() for _ in range(at_once)))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return outcome


def show(name: str, seconds: list[float]) -> None:
    if len(seconds) > 1:
        p99 = statistics.quantiles(seconds, n=100, method="inclusive")[98]
        print(f"{name:28} median {statistics.median(seconds):7.3f} s, p99 {p99:7.3f} s, most {max(seconds):7.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=160, help="10 x the sequences that the server takes")
    parser.add_argument("--max-queued", type=int, default=16)
    parser.add_argument("--retry", action="store_true", help="come back after a refusal, until all are whole")
    parser.add_argument("--model", help="a model to serve, instead of the reference backend's own")
    options = parser.parse_args()
    model = ["--model", options.model] if options.model else ["--backend", "reference", "--model", "reference"]
    command = [sys.executable, "-m", "jan_ort", "serve", "--port", "{port}", "--max-queued", str(options.max_queued)]
    server = Server("overload", [*command, *model], "/health", free_port())
    server.start()
    try:
        assert server.process is not None
        process = psutil.Process(server.process.pid)
        before, started = process.memory_info().rss, time.perf_counter()
        outcome = asyncio.run(overload(server, options.streams, options.at_once, options.retry))
        print(f"{options.streams} streams, {options.at_once} at once: {time.perf_counter() - started:.0f} s")
        print(", ".join(f"{kind}: {count}" for kind, count in sorted(outcome.kinds.items())))
        show("until an answer is whole", outcome.whole_s)
        show("until a refusal", outcome.refused_s)
        show("/health meanwhile", outcome.health_s)
        print(f"RSS {before / 1e6:.0f} MB before, {process.memory_info().rss / 1e6:.0f} MB after")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
