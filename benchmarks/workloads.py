"""What is asked of a server, and the figure that it gives: seconds, or tokens per second."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

WORDS = (
    "river mountain window garden letter harbor winter engine market village silver candle forest paper bridge copper "
    "meadow captain kitchen thunder island pocket journey lantern feather orchard basket ticket mirror planet"
).split()


@dataclass(frozen=True)
class Workload:
    """``run`` measures once; ``better`` says whether a higher or a lower figure is better."""

    name: str
    unit: str
    better: str
    at_least: float
    aim: float
    run: Callable[[httpx.AsyncClient, random.Random], Awaitable[float]]


def text(rng: random.Random, num_words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(num_words))


async def complete(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await client.post("/v1/completions", json=body)
    response.raise_for_status()
    return dict(response.json())


async def prefill(client: httpx.AsyncClient, rng: random.Random) -> float:
    """Tokens per second of a prompt of 500 words that nothing has cached."""
    started = time.perf_counter()
    answer = await complete(client, prompt=text(rng, 500), max_tokens=1, temperature=0)
    return float(answer["usage"]["prompt_tokens"] / (time.perf_counter() - started))


def decode(**fields: Any) -> Callable[[httpx.AsyncClient, random.Random], Awaitable[float]]:
    """Return a workload: tokens per second of one stream, 128 tokens after a prompt of about 30."""

    async def run(client: httpx.AsyncClient, rng: random.Random) -> float:
        started = time.perf_counter()
        answer = await complete(client, prompt=text(rng, 25), max_tokens=128, min_tokens=128, **fields)
        return float(answer["usage"]["completion_tokens"] / (time.perf_counter() - started))

    return run


async def _together(client: httpx.AsyncClient, prompts: list[str]) -> float:
    started = time.perf_counter()
    answers = await asyncio.gather(
        *(complete(client, prompt=prompt, max_tokens=64, min_tokens=64, temperature=0) for prompt in prompts)
    )
    num_tokens = sum(answer["usage"]["completion_tokens"] for answer in answers)
    return float(num_tokens / (time.perf_counter() - started))


async def eight_different(client: httpx.AsyncClient, rng: random.Random) -> float:
    """Tokens per second in total of eight requests at once, 64 tokens each."""
    return await _together(client, [text(rng, 25) for _ in range(8)])


async def eight_shared(client: httpx.AsyncClient, rng: random.Random) -> float:
    """The same after a shared system prompt of about 400 tokens."""
    system = text(rng, 330)
    return await _together(client, [f"{system}\n{text(rng, 20)}" for _ in range(8)])


async def second_turns(client: httpx.AsyncClient, rng: random.Random) -> float:
    """Seconds for the second turns of six conversations of about 400 tokens, one after the other."""
    chats = [[{"role": "user", "content": text(rng, 330)}] for _ in range(6)]
    for chat in chats:
        chat.append({"role": "assistant", "content": await _chat(client, chat)})
        chat.append({"role": "user", "content": text(rng, 8)})
    started = time.perf_counter()
    for chat in chats:
        await _chat(client, chat)
    return time.perf_counter() - started


async def _chat(client: httpx.AsyncClient, messages: list[dict[str, str]]) -> str:
    response = await client.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 8, "temperature": 0})
    response.raise_for_status()
    return str(response.json()["choices"][0]["message"]["content"])


WORKLOADS = [
    Workload("prefill, 500 words", "tok/s", "higher", 2.5, 3, prefill),
    Workload("decode, greedy", "tok/s", "higher", 1.2, 1.4, decode(temperature=0, repeat_penalty=1.0)),
    Workload("decode, document's defaults", "tok/s", "higher", 1.2, 1.4, decode(seed=7)),
    Workload("decode, logprobs=5", "tok/s", "higher", 5, 6, decode(temperature=0, logprobs=5)),
    Workload("8 at once, all different", "tok/s", "higher", 4, 5, eight_different),
    Workload("8 at once, shared 400 tokens", "tok/s", "higher", 4, 5, eight_shared),
    Workload("second turns of 6 chats", "s", "lower", 10, 25, second_turns),
]
