"""What each protocol costs beside chat completions: CPU time of a request, and of a streamed event, in turns."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from typing import Any

from tests.http.every_protocol import PROTOCOLS, Conversation, Protocol
from tests.http.handlers.serving import Client, serving

ASKED = Conversation(
    (("user", "Hello"), ("assistant", "Hi. What is it?"), ("user", "Tell me of birds.")), system="Be brief."
)
GREEDY: dict[str, Any] = {"temperature": 0, "repeat_penalty": 1}
NUM_TOKENS = 96


async def cpu_s(client: Client, protocol: Protocol, num_tokens: int, *, stream: bool) -> float:
    """Return the CPU time of one request, the reference model's own included."""
    body = protocol.body(ASKED, num_tokens, GREEDY) | {"stream": stream}
    started = time.process_time()
    response = await client.post(protocol.path, json=body)
    text = await response.get_data(as_text=True)
    assert response.status_code == 200, text
    return time.process_time() - started


async def measured(client: Client, protocol: Protocol) -> tuple[float, float]:
    """Return the CPU time of a request of one token, and of each event of a stream, in seconds."""
    whole = await cpu_s(client, protocol, 1, stream=False)
    short, long = [await cpu_s(client, protocol, number, stream=True) for number in (1, NUM_TOKENS)]
    return whole, (long - short) / (NUM_TOKENS - 1)


async def main(rounds: int) -> None:
    """Print each protocol's medians, and their ratios to those of chats."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in PROTOCOLS}
    async with serving() as app:
        client = app.test_client()
        for at in range(rounds + 3):
            for name, protocol in PROTOCOLS.items():
                sample = await measured(client, protocol)
                if at >= 3:  # the first ones warm up
                    found[name].append(sample)
    medians = {
        name: [statistics.median(each) for each in zip(*samples, strict=True)] for name, samples in found.items()
    }
    print(f"{'protocol':10} {'request':>11} {'ratio':>6} {'event':>11} {'ratio':>6}")
    for name, (request, event) in medians.items():
        ratios = request / medians["chat"][0], event / medians["chat"][1]
        print(f"{name:10} {request * 1e3:8.2f} ms {ratios[0]:6.2f} {event * 1e6:8.0f} µs {ratios[1]:6.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="turns of each protocol")
    asyncio.run(main(parser.parse_args().rounds))
