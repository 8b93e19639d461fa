"""Several replicas on this machine, on Ray and behind HAProxy and nginx: what each costs, and what is lost when."""

from __future__ import annotations

import argparse
import asyncio
import collections
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
from fleets import Fleet, behind, on_ray, one

ALONE = 40
CLIENTS = 64
LOAD_S = 12.0
BREAK_AT_S = 4.0
CONVERSATIONS = 16
TURN = {"model": "reference", "max_tokens": 10, "min_tokens": 10, "temperature": 0}


async def ask(fleet: Fleet, client: httpx.AsyncClient, number: int, **fields: Any) -> httpx.Response:
    messages = [{"role": "user", "content": f"conversation {number}: tell me of rings, hashes and replicas"}]
    headers = {"X-Session-Id": str(number)} if fleet.wants_header else {}
    return await client.post("/v1/chat/completions", json={**TURN, "messages": messages, **fields}, headers=headers)


async def alone_ms(*fleets: Fleet) -> list[float]:
    """Return for each fleet the median of a request of one token, one at a time and in turns."""
    taken: list[list[float]] = [[] for _ in fleets]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(each.client()) for each in fleets]
        for number in range(ALONE):
            for fleet, client, own in zip(fleets, clients, taken, strict=True):
                started = time.perf_counter()
                (await ask(fleet, client, number % 8, max_tokens=1, min_tokens=1)).raise_for_status()
                own.append(1e3 * (time.perf_counter() - started))
    return [statistics.median(each) for each in taken]


async def under_load(
    fleet: Fleet, breaking: Callable[[], Awaitable[None]] | None = None
) -> tuple[collections.Counter[str], float]:
    """Have clients ask for LOAD_S seconds, and return what became of their requests, and when the last was answered."""
    outcome: collections.Counter[str] = collections.Counter()
    started = time.perf_counter()
    end = started + LOAD_S
    async with fleet.client() as client:

        async def asking(number: int) -> None:
            while time.perf_counter() < end:
                outcome[await kind(fleet, client, number)] += 1

        tasks = [asyncio.create_task(asking(number)) for number in range(CLIENTS)]
        if breaking is not None:
            await asyncio.sleep(BREAK_AT_S)
            await breaking()
        await asyncio.gather(*tasks)
    return outcome, time.perf_counter() - started


async def kind(fleet: Fleet, client: httpx.AsyncClient, number: int) -> str:
    try:
        answer = await ask(fleet, client, number)
    except httpx.TimeoutException:
        return "hung"
    except httpx.TransportError as error:
        return type(error).__name__
    if answer.status_code != 200:
        return f"{answer.status_code}{'' if 'retry-after' in answer.headers else ' without Retry-After'}"
    return "whole"


async def second_turns(fleet: Fleet) -> float:
    """Return the share of the first turns' prompts that the second turns found cached."""
    cached = total = 0
    async with fleet.client() as client:
        for number in range(CONVERSATIONS):
            first = (await ask(fleet, client, number, max_tokens=1, min_tokens=1)).json()
            messages = [
                {"role": "user", "content": f"conversation {number}: tell me of rings, hashes and replicas"},
                {"role": "assistant", "content": "x"},
                {"role": "user", "content": "go on"},
            ]
            second = (await ask(fleet, client, number, messages=messages, max_tokens=1, min_tokens=1)).json()
            cached += second["usage"]["prompt_tokens_details"]["cached_tokens"]
            total += first["usage"]["prompt_tokens"]
    return cached / total


def told(outcome: collections.Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(outcome.items(), key=lambda each: -each[1]))


async def measure(name: str, fleet: Fleet, direct: Fleet) -> None:
    """Print a fleet's figures."""
    through, alone = await alone_ms(fleet, direct)
    print(f"{name:24} a request alone: {through:.1f} ms at p50, {alone:.1f} directly: {through - alone:+.2f}")
    print(f"{'':24} second turns find {await second_turns(fleet):.0%} of the first's prompt")
    outcome, taken_s = await under_load(fleet)
    print(f"{'':24} {CLIENTS} clients: {outcome['whole'] / taken_s:.1f} answers a second ({told(outcome)})", flush=True)


async def break_it(name: str, fleet: Fleet) -> None:
    for what, breaking in fleet.breaks.items():
        print(f"{name:24} {what} under load: {told((await under_load(fleet, breaking))[0])}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["ray", "haproxy", "nginx"], action="append")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--step-s", type=float, default=0.1, help="what a step of the simulated device takes")
    options = parser.parse_args()
    kinds: dict[str, Callable[[int, float], Any]] = {
        "haproxy": behind("haproxy"),
        "nginx": behind("nginx"),
        "ray": on_ray,
    }
    with one(options.step_s) as direct:
        asyncio.run(measure("one server", direct, direct))
        for name in options.only or kinds:
            for count in options.replicas:
                with kinds[name](count, options.step_s) as fleet:
                    asyncio.run(measure(f"{name}, {count} replicas", fleet, direct))
                    if count > 1 and count == max(options.replicas):
                        asyncio.run(break_it(f"{name}, {count} replicas", fleet))


if __name__ == "__main__":
    main()
