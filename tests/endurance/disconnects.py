"""Who goes unnoticed, by phase and protocol: ``python -m tests.endurance.disconnects [--clients 200] [--aborts 2000]``.

A server of its own, in a process of its own, says in its log which clients it saw go and which requests it computed to
their end; the system says which connections it still holds a second later.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]

from jan_ort.structured.grammar_pool import CACHE_SIZE
from tests.e2e.server_process import ServerProcess, serve
from tests.endurance.departing import PROTOCOLS, WAYS, Request, departing, request

CONCURRENCY = 10
NUM_SLOTS = 4
SETTLE_S = 1.0
LONG: Mapping[str, Any] = {"max_tokens": 400, "min_tokens": 400}
COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
MANY = {f"field{at}": {"type": "string", "maxLength": 40 + at} for at in range(300)}


def _story(rng: random.Random, num_words: int) -> str:
    return " ".join(rng.choice(["river", "garden", "old", "along", "the", "runs"]) for _ in range(num_words))


@dataclass(frozen=True)
class Phase:
    """When a client goes: after which share of head and body, and how much later. ``body`` is made for each client."""

    path: str
    body: Callable[[random.Random], dict[str, Any]]
    pauses_s: tuple[float, float]
    shares: tuple[float, float] = (1, 1)
    is_queued: bool = False
    is_loading: bool = False
    can_stream: bool = True


def _prompt(num_words: int, **fields: Any) -> Callable[[random.Random], dict[str, Any]]:
    return lambda rng: {"prompt": _story(rng, num_words), **LONG, **fields}


def _chat(num_messages: int, **fields: Any) -> Callable[[random.Random], dict[str, Any]]:
    def body(rng: random.Random) -> dict[str, Any]:
        turns = [{"role": ("user", "assistant")[at % 2], "content": "the old"} for at in range(num_messages - 1)]
        return {"messages": [*turns, {"role": "user", "content": _story(rng, 3)}], **LONG, **fields}

    return body


def _messages(rng: random.Random) -> dict[str, Any]:
    return {"messages": _chat(1500)(rng)["messages"]}


def _inputs(rng: random.Random) -> dict[str, Any]:
    return {"input": [_story(rng, 20)] * 400}


def _schema(rng: random.Random) -> dict[str, Any]:
    schema = {"type": "object", "properties": MANY, "required": [f"field{rng.randrange(300)}"]}
    return _chat(1, response_format={"type": "json_object", "schema": schema})(rng)


PHASES: Mapping[str, Phase] = {
    "head": Phase(COMPLETIONS, _prompt(3), (0, 0.02), shares=(0.5, 0)),
    "body": Phase(COMPLETIONS, _prompt(3), (0, 0.02), shares=(1, 0.5)),
    "just after the body": Phase(COMPLETIONS, _prompt(3), (0, 0.005)),
    "a chat, just after": Phase(CHAT, _chat(1), (0, 0.005)),
    "queued": Phase(COMPLETIONS, _prompt(3), (0.02, 0.1), is_queued=True),
    "prefill": Phase(
        COMPLETIONS, lambda rng: {"prompt": [rng.randrange(9, 250) for _ in range(100)], **LONG}, (0, 0.05)
    ),
    "decode": Phase(COMPLETIONS, _prompt(3, n=2), (0.05, 0.2)),
    "rendering": Phase("/extras/tokenize/count", _messages, (0, 0.005), can_stream=False),
    "compiling": Phase(CHAT, _schema, (0, 0.05)),
    "tokenizing": Phase("/extras/tokenize", lambda rng: {"input": _story(rng, 9000)}, (0, 0.01), can_stream=False),
    "embedding": Phase("/v1/embeddings", _inputs, (0, 0.05), can_stream=False),
    "loading": Phase(COMPLETIONS, _prompt(3), (0, 0.1), is_loading=True),
    "writing": Phase(COMPLETIONS, _prompt(3, logprobs=20), (0.5, 1.0)),
}


@dataclass
class Watched:
    """A server, and what can be seen of it from outside."""

    server: ServerProcess

    def __post_init__(self) -> None:
        self.process = psutil.Process(self.server.process.pid)
        self.port = int(self.server.url.rpartition(":")[2])

    async def post(self, path: str, body: dict[str, Any]) -> None:
        async with httpx.AsyncClient(timeout=120) as client:
            (await client.post(f"{self.server.url}{path}", json=body)).raise_for_status()

    def count(self) -> tuple[int, int]:
        """Return how many clients it saw go, and how many requests it has computed to their end."""
        log = self.server.log.read_text(errors="replace")
        computed = sum(" prompt tokens" in line for line in log.splitlines())
        return log.count("the client disconnected"), computed

    def num_held(self) -> int:
        connections = self.process.net_connections("tcp")
        return sum(each.status not in (psutil.CONN_LISTEN, psutil.CONN_NONE) for each in connections)

    def state(self) -> tuple[int, int, float]:
        """Return its descriptors, threads, and MB."""
        return self.process.num_fds(), self.process.num_threads(), self.process.memory_info().rss / 1e6


async def go(port: int, asked: Request, phase: Phase, rng: random.Random) -> None:
    head, body = (
        part[: int(len(part) * share)] for part, share in zip((asked.head, asked.body), phase.shares, strict=True)
    )
    async with departing(port, rng.choice(WAYS)) as (_, writer):
        writer.write(head)
        await asyncio.sleep(0.005)
        writer.write(body)
        await asyncio.sleep(rng.uniform(*phase.pauses_s))


@asynccontextmanager
async def _busy(port: int, asked: Request) -> AsyncIterator[None]:
    """Keep every slot busy until the end of the block."""
    async with AsyncExitStack() as clients:
        for _ in range(NUM_SLOTS):
            _, writer = await clients.enter_async_context(departing(port, "reset"))
            writer.write(asked.whole)
        await asyncio.sleep(0.3)
        yield


async def row(watched: Watched, name: str, protocol: str, *, stream: bool, num_clients: int, seed: int) -> int:
    """Let the clients of one row go, print the row, and return how many were not noticed."""
    phase, rng = PHASES[name], random.Random(seed)
    extra = {"stream": True} if stream else {}
    gone, computed = watched.count()
    for start in range(0, num_clients, CONCURRENCY):
        batch = [
            go(watched.port, request(protocol, phase.path, phase.body(rng) | extra), phase, rng)
            for _ in range(min(CONCURRENCY, num_clients - start))
        ]
        async with AsyncExitStack() as around:
            if phase.is_loading:
                await watched.post("/models/unload", {})
            if phase.is_queued:
                busy = request("HTTP/1.1", COMPLETIONS, _prompt(3, n=8)(rng))
                await around.enter_async_context(_busy(watched.port, busy))
                gone += NUM_SLOTS
            await asyncio.gather(*batch)
    until, seen_by_all = time.monotonic() + SETTLE_S, gone + num_clients
    while time.monotonic() < until and (watched.count()[0] < seen_by_all or watched.num_held()):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    held, (gone_now, computed_now) = watched.num_held(), watched.count()
    unnoticed = held if name == "writing" else max(computed_now - computed, held)  # there it may be computed by then
    answer = "streamed" if stream else "plain"
    print(
        f"{name:20} {protocol:9} {answer:9} {unnoticed:>5} of {num_clients:<4} {gone_now - gone:>8} "
        f"{computed_now - computed:>9} {held:>5}",
        flush=True,
    )
    return unnoticed


async def table(watched: Watched, num_clients: int, names: list[str]) -> int:
    """Print the rows, and return how many clients were not noticed."""
    print(f"{'phase':20} {'protocol':9} {'answer':9} {'unnoticed':>13} {'seen go':>8} {'computed':>9} {'held':>5}")
    num_unnoticed = 0
    for name in names:
        for protocol in PROTOCOLS:
            for stream in (False, True) if PHASES[name].can_stream else (False,):
                num_unnoticed += await row(watched, name, protocol, stream=stream, num_clients=num_clients, seed=7)
    return num_unnoticed


async def fill_caches(watched: Watched) -> None:
    """Have as many grammars compiled as are kept, and the same number again in their place."""
    turns = iter(range(2 * CACHE_SIZE))

    async def client() -> None:
        for at in turns:
            await watched.post(CHAT, _schema(random.Random(at)) | {"max_tokens": 1, "min_tokens": 1})

    await asyncio.gather(*(client() for _ in range(NUM_SLOTS)))


async def aborts(watched: Watched, number: int) -> dict[str, float]:
    """Let clients go anywhere, in all phases, print what is left of them, and return it."""
    rng, turns = random.Random(11), iter(range(number))
    names = [name for name, phase in PHASES.items() if not (phase.is_queued or phase.is_loading)]

    async def client() -> None:
        for _ in turns:
            phase = PHASES[rng.choice(names)]
            asked = request(rng.choice(PROTOCOLS), phase.path, phase.body(rng) | {"stream": rng.random() < 0.5})
            await go(watched.port, asked, phase, rng)

    await asyncio.gather(*(client() for _ in range(CONCURRENCY)))
    started = time.perf_counter()
    await watched.post(COMPLETIONS, {"prompt": "a", "max_tokens": 1})
    took_s = time.perf_counter() - started
    await asyncio.sleep(SETTLE_S)
    fds, threads, rss = watched.state()
    print(f"after {number:5} aborts: next answer {took_s:6.3f} s, {fds} descriptors, {threads} threads, {rss:.1f} MB")
    return {"took_s": took_s, "descriptors": fds, "threads": threads, "rss_mb": rss}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200, help="of each row")
    parser.add_argument("--aborts", type=int, default=2000)
    parser.add_argument("--phase", action="append", choices=PHASES)
    parser.add_argument("flags", nargs="*", default=["--backend", "reference"], help="of the server, after --")
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {' '.join(options.flags)}")
    flags = ["--num-slots", str(NUM_SLOTS), *options.flags]
    with tempfile.TemporaryDirectory() as directory, serve(Path(directory), *flags) as server:
        watched = Watched(server)
        num_unnoticed = asyncio.run(table(watched, options.clients, options.phase or list(PHASES)))
        if options.aborts:
            asyncio.run(fill_caches(watched))
        for number in (options.aborts // 4, options.aborts) if options.aborts else ():  # the first ones warm it
            asyncio.run(aborts(watched, number))
    sys.exit(bool(num_unnoticed))


if __name__ == "__main__":
    main()
