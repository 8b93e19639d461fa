"""What eight readers at a byte a second cost another stream: its tokens a second with them and without, in turns.

Beside other work only the server's CPU time says something, and the share of that decides.

Run as ``python -m benchmarks.slow_readers [--protocol h2c] [--rounds 7]``. Each slow reader asks for a stream that it
then takes byte by byte; their answers are done within their first seconds, and wait for them in the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parent))

from servers import Server, free_port

from jan_ort.http.protocol.write_deadline import WRITE_DEADLINE_S
from tests.endurance.departing import PROTOCOLS, request

NUM_READERS, NUM_TOKENS, NUM_SLOTS = 8, 400, 9
BODY = {"prompt": "the garden", "max_tokens": 64, "min_tokens": 64, "logprobs": 100, "stream": True}
"""Some 600 KB, of which their sockets take a part."""


@asynccontextmanager
async def slow_reader(port: int, protocol: str) -> AsyncIterator[None]:
    """Ask for a stream, and read a byte of it each second until the block ends."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, request(protocol, "/v1/completions", BODY).whole)

    async def read() -> None:
        while await loop.sock_recv(client, 1):  # noqa: ASYNC110
            await asyncio.sleep(1)

    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        client.close()


async def rate(client: httpx.AsyncClient, process: psutil.Process) -> tuple[float, float]:
    """Return the tokens a second of a stream, from its first to its last, and the server's CPU time in ms a token."""
    before = process.cpu_times()
    body = {"prompt": "a river", "max_tokens": NUM_TOKENS, "min_tokens": NUM_TOKENS, "stream": True}
    async with client.stream("POST", "/v1/completions", json=body) as response:
        chunks = [(time.perf_counter(), line) async for line in response.aiter_lines() if line.startswith("data: {")]
    times = [at for at, line in chunks if json.loads(line[6:])["choices"][0]["finish_reason"] is None]
    now = process.cpu_times()
    cpu_s = now.user + now.system - before.user - before.system
    return (len(times) - 1) / (times[-1] - times[0]), cpu_s / len(times) * 1e3


async def measure(server: Server, protocol: str, rounds: int) -> float:
    """Print what a stream gets with slow readers and without, and return the share of CPU time that they add."""
    assert server.process is not None
    process, grown = psutil.Process(server.process.pid), []
    alone: list[tuple[float, float]] = []
    beside: list[tuple[float, float]] = []
    async with httpx.AsyncClient(base_url=server.url, timeout=600) as client:
        await rate(client, process)
        for _ in range(rounds):
            alone.append(await rate(client, process))
            before = process.memory_info().rss
            async with AsyncExitStack() as readers:
                for _ in range(NUM_READERS):
                    await readers.enter_async_context(slow_reader(server.port, protocol))
                started = time.monotonic()
                await settled(process)
                ready_s = time.monotonic() - started
                beside.append(await rate(client, process))
                if time.monotonic() - started > WRITE_DEADLINE_S:
                    raise SystemExit(f"the readers were dropped before the end: {ready_s:.0f} s until all were ready")
                grown.append((process.memory_info().rss - before) / NUM_READERS / 1e6)
            await asyncio.sleep(1)
    fast, slowed = (statistics.median(tokens for tokens, _ in each) for each in (alone, beside))
    cpu, more_cpu = (statistics.mean(ms for _, ms in each) for each in (alone, beside))  # a tick is 10 ms
    lost = more_cpu / cpu - 1
    print(
        f"{protocol:8} alone {fast:6.1f} tokens/s, {cpu:5.3f} ms of CPU time each; beside {NUM_READERS} slow readers "
        f"{slowed:6.1f}, {more_cpu:5.3f} ({lost:+.1%}); {statistics.median(grown):.2f} MB a reader; {rounds} rounds",
        flush=True,
    )
    return lost


async def settled(process: psutil.Process) -> None:
    """Wait until the answers of the slow readers wait for them, and nothing is computed any more."""
    num_quiet = 0
    while num_quiet < 3:
        before = process.cpu_times()
        await asyncio.sleep(0.5)
        now = process.cpu_times()
        num_quiet = num_quiet + 1 if now.user + now.system - before.user - before.system < 0.02 else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", choices=PROTOCOLS, action="append")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--model", help="a model to serve, instead of the reference backend's own")
    options = parser.parse_args()
    model = ["--model", options.model] if options.model else ["--backend", "reference", "--model", "reference"]
    command = [sys.executable, "-m", "jan_ort", "serve", "--port", "{port}", "--num-slots", str(NUM_SLOTS), *model]
    server = Server("slow-readers", command, "/health", free_port())
    server.start()
    try:
        lost = [asyncio.run(measure(server, each, options.rounds)) for each in options.protocol or PROTOCOLS]
    finally:
        server.stop()
    return 0 if max(lost) <= 0.05 else 1


if __name__ == "__main__":
    sys.exit(main())
